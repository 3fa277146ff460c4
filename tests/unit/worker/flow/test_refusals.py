"""429s of one credential on one worker: when they show a rate."""

from __future__ import annotations

import pytest

from worker.flow.refusals import Burst, Refusals

LEAST, SHARE = 8, 0.3


def refused(
    refusals: Refusals, number: int, at: float, *, wait: float = 0.0, paced: bool = False
) -> Burst | None:
    return refusals.refused(number, at, wait, least=LEAST, share=SHARE, paced=paced)


def test_one_refusal_among_a_hundred_is_no_rate() -> None:
    refusals = Refusals(0.0)
    for n in range(5000):
        number = refusals.sent(n / 500)
        if n % 100 == 0:
            assert refused(refusals, number, n / 500) is None


def test_a_quota_that_is_used_up_shows_in_the_first_refusals_with_what_was_taken_before() -> None:
    refusals = Refusals(0.0)
    numbers = [refusals.sent(n / 200) for n in range(80)]
    bursts = [refused(refusals, number, number / 200, wait=1.0) for number in numbers[50:]]
    first = next(burst for burst in bursts if burst)
    assert bursts.index(first) == LEAST - 1
    assert first.taken == 50
    assert first.share == 1.0
    assert first.wait == 1.0


def test_what_was_sent_after_the_refused_one_is_neither_taken_nor_a_share_of_anything() -> None:
    refusals = Refusals(0.0)
    numbers = [refusals.sent(0.0) for _ in range(50 + LEAST)]
    for _ in range(100):  # their answers are still to come
        refusals.sent(0.2)
    burst = [refused(refusals, number, 0.0) for number in numbers[50:]][-1]
    assert burst is not None
    assert (burst.taken, burst.share) == (50, 1.0)


def test_without_a_rate_only_the_last_second_tells_what_was_taken() -> None:
    refusals = Refusals(0.0)
    for n in range(1000):  # 100 a second for ten seconds
        refusals.sent(n / 100)
    burst = [refused(refusals, refusals.sent(10.0), 10.0) for _ in range(LEAST)][-1]
    assert burst is not None
    assert 1.0 <= burst.seconds <= 1.2
    assert burst.taken / burst.seconds == pytest.approx(100, rel=0.02)


def test_under_a_rate_all_since_counting_began_tells_it() -> None:
    refusals = Refusals(0.0)
    for n in range(1000):
        refusals.sent(n / 100)
    burst = [refused(refusals, refusals.sent(10.0), 10.0, paced=True) for _ in range(LEAST)][-1]
    assert burst is not None
    assert (burst.taken, burst.seconds) == (1000, 10.0)
    assert burst.overall == LEAST / (1000 + LEAST)


def test_what_was_sent_before_counting_began_anew_counts_no_more() -> None:
    refusals = Refusals(0.0)
    old = [refusals.sent(0.0) for _ in range(50)]
    refusals.begin_anew(1.0)
    late = refusals.sent(0.5)  # its turn was given before the credential was held
    assert all(refused(refusals, number, 0.5) is None for number in [*old, late])
    assert refusals.taken == 0
    refusals.sent(1.5)
    assert refusals.taken == 1
