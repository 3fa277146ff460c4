from __future__ import annotations

import pytest

from sandbox.pace import Bucket, Latency, Limit


@pytest.mark.parametrize(("text", "least", "most"), [("0", 0, 0), ("0.2", 0.2, 0.2), ("0.1-0.4", 0.1, 0.4)])
def test_latency_is_a_number_or_a_range(text: str, least: float, most: float) -> None:
    latency = Latency.parse(text)
    assert (latency.least, latency.most, str(latency)) == (least, most, text)


@pytest.mark.parametrize("text", ["", "x", "-1", "0.4-0.1", "0.1-", "1e9", "nan"])
def test_latency_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="latency"):
        Latency.parse(text)


def test_latency_is_uniform_between_its_ends() -> None:
    latency = Latency(0.1, 0.3)
    assert [round(latency.seconds(drawn), 6) for drawn in (0.0, 0.5, 0.999999)] == [0.1, 0.2, 0.3]


@pytest.mark.parametrize(("text", "rate"), [("5/s", 5), ("0.5/s", 0.5), ("300/m", 5)])
def test_a_limit_is_a_rate(text: str, rate: float) -> None:
    assert Limit.parse(text).per_second == rate


@pytest.mark.parametrize("text", ["", "5", "0/s", "5/h", "-5/s", "unlimited"])
def test_a_limit_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="limit"):
        Limit.parse(text)


def test_a_bucket_gives_a_second_worth_at_once_and_then_its_rate() -> None:
    bucket = Bucket(Limit(5), now=0)
    assert [bucket.take(0) for _ in range(6)] == [None] * 5 + [1]
    assert bucket.take(0.2) is None
    assert bucket.take(0.2) == 1


def test_a_slow_bucket_names_the_whole_wait() -> None:
    bucket = Bucket(Limit(0.25), now=0)
    assert bucket.take(0) is None
    assert bucket.take(0) == 4
    assert bucket.take(4) is None


def test_a_client_exactly_at_the_rate_is_never_refused() -> None:
    bucket = Bucket(Limit(5), now=0)
    jitter = [0.0, 0.01, -0.01, 0.005]
    assert all(bucket.take(n / 5 + jitter[n % 4]) is None for n in range(1, 1000))
