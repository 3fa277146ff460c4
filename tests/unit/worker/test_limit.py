"""The limit of POSTs in flight follows what the API can stand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.limit import BACK_OFF, FIRST, FLOOR, WINDOW, ConcurrencyLimit


def windows(limit: ConcurrencyLimit, count: int, *, latency: float = 0.2, pushed_back: bool = False) -> None:
    """`count` windows of answers that use the limit to the full."""
    now = limit._began + 1000.0
    for _ in range(count):
        for _ in range(3):
            limit.see(now, latency, pushed_back=pushed_back, in_flight=limit.whole)
            now += WINDOW
        now += 1.0


def test_a_healthy_api_is_soon_used_to_the_full() -> None:
    limit = ConcurrencyLimit(500)
    assert limit.whole == FIRST
    windows(limit, 5)
    assert limit.whole == 500


def test_a_limit_that_is_not_used_does_not_grow() -> None:
    limit = ConcurrencyLimit(500)
    for step in range(100):
        limit.see(step * WINDOW, 0.2, pushed_back=False, in_flight=2)
    assert limit.whole == FIRST


def test_a_refusal_takes_the_limit_back_at_once_and_by_a_factor() -> None:
    limit = ConcurrencyLimit(500)
    windows(limit, 6)
    limit.see(1e6, 0.2, pushed_back=True, in_flight=500)
    assert limit.whole == int(500 * BACK_OFF)


def test_after_a_refusal_the_limit_grows_by_steps_and_not_by_doubling() -> None:
    limit = ConcurrencyLimit(500)
    windows(limit, 6)
    windows(limit, 5, pushed_back=True)
    windows(limit, 1)
    low = limit.whole
    windows(limit, 1)
    assert low < limit.whole < 1.5 * low + 2


def test_latency_that_rises_lowers_the_limit() -> None:
    limit = ConcurrencyLimit(500)
    windows(limit, 6, latency=0.2)
    windows(limit, 3, latency=1.0)
    assert limit.whole < 500


def test_a_slow_api_is_no_worse_than_a_quick_one_if_it_is_always_slow() -> None:
    limit = ConcurrencyLimit(500)
    windows(limit, 10, latency=3.0)
    assert limit.whole == 500


def test_a_volley_of_refusals_is_one_sign() -> None:
    limit = ConcurrencyLimit(500)
    windows(limit, 6)
    for _ in range(500):
        limit.see(1e6, 0.2, pushed_back=True, in_flight=500)
    assert limit.whole == int(500 * BACK_OFF)


ANSWERS = st.lists(st.tuples(st.floats(0, 60), st.booleans(), st.integers(1, 2000)), max_size=300)


@given(ANSWERS, st.integers(1, 2000))
def test_the_limit_stays_between_one_and_the_most_allowed(
    answers: list[tuple[float, bool, int]], most: int
) -> None:
    limit = ConcurrencyLimit(most)
    now = 0.0
    for seconds, pushed_back, in_flight in answers:
        now += seconds / 10
        limit.see(now, seconds, pushed_back=pushed_back, in_flight=in_flight)
        assert FLOOR <= limit.whole <= most
