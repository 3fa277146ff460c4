"""The limit of POSTs in flight follows what the API can stand."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.flow.concurrency_limit import FIRST, FLOOR, WINDOW, ConcurrencyLimit

Serves = Callable[[float], bool]
"""Whether the API takes what is sent at a time."""


def windows(limit: ConcurrencyLimit, count: int, *, latency: float = 0.2) -> None:
    """`count` windows of good answers that use the limit to the full."""
    now = limit._began + 1000.0
    for _ in range(count):
        for _ in range(3):
            limit.see(now, latency, pushed_back=False, in_flight=limit.whole)
            now += WINDOW
        now += 1.0


def run(
    serves: Serves, *, most: int = 100, seconds: float = 10.0, latency: float = 0.2
) -> tuple[float, float, int]:
    """
    A worker that always has more to send.

    Returns: answers a second that were taken, that were refused, and the limit at the end.
    """
    limit, now, in_flight, order = ConcurrencyLimit(most), 0.0, 0, itertools.count()
    answers: list[tuple[float, int, bool, float]] = []
    taken = refused = 0
    while now < seconds:
        while in_flight < limit.whole:
            heapq.heappush(answers, (now + latency, next(order), serves(now), now))
            in_flight += 1
        now, _, good, sent_at = heapq.heappop(answers)
        limit.see(now, now - sent_at, pushed_back=not good, in_flight=in_flight)
        in_flight -= 1
        taken, refused = taken + good, refused + (not good)
    return taken / seconds, refused / seconds, limit.whole


def chance(share: float) -> Serves:
    """An API that refuses a share of what it is sent, however much that is."""
    draw = random.Random(1)
    return lambda _: draw.random() >= share


def capacity(per_second: float) -> Serves:
    """An API that takes so many a second, and refuses what is beyond."""
    tokens, at = per_second / 10, 0.0

    def serves(now: float) -> bool:
        nonlocal tokens, at
        tokens, at = min(per_second / 5, tokens + (now - at) * per_second), now
        if tokens < 1:
            return False
        tokens -= 1
        return True

    return serves


def test_a_healthy_api_is_soon_used_to_the_full() -> None:
    limit = ConcurrencyLimit(500)
    assert limit.whole == FIRST
    windows(limit, 7)
    assert limit.whole == 500


def test_a_limit_that_is_not_used_does_not_grow() -> None:
    limit = ConcurrencyLimit(500)
    for step in range(100):
        limit.see(step * WINDOW, 0.2, pushed_back=False, in_flight=2)
    assert limit.whole == FIRST


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.2, 0.3])
def test_refusals_that_come_however_gently_it_is_asked_hold_nobody_back(share: float) -> None:
    undisturbed, _, _ = run(chance(0.0))
    taken, _, _ = run(chance(share))
    assert taken >= 0.85 * undisturbed * (1 - share)


@pytest.mark.parametrize("per_second", [30, 100, 250])
def test_an_api_that_takes_only_so_many_gets_few_more(per_second: int) -> None:
    everything, too_many, _ = run(capacity(per_second), most=500, seconds=30.0)
    assert too_many <= per_second
    assert everything >= 0.5 * per_second


def test_an_api_that_refuses_everything_is_asked_by_one_at_a_time() -> None:
    _, _, limit = run(chance(1.0))
    assert limit == FLOOR


def test_a_limit_grows_again_once_an_api_takes_everything_again() -> None:
    back = 5.0
    _, _, limit = run(lambda now: now > back, seconds=back + 8.0)
    assert limit == 100


def test_latency_that_rises_lowers_the_limit() -> None:
    limit = ConcurrencyLimit(500)
    windows(limit, 7, latency=0.2)
    windows(limit, 3, latency=1.0)
    assert limit.whole < 500


def test_a_few_answers_that_take_long_are_not_a_slow_api() -> None:
    limit = ConcurrencyLimit(500)
    windows(limit, 7)
    now = 1e6
    for n in range(3000):
        limit.see(now + n / 500, 5.0 if n % 50 == 0 else 0.2, pushed_back=False, in_flight=limit.whole)
    assert limit.whole == 500


def test_a_slow_api_is_no_worse_than_a_quick_one_if_it_is_always_slow() -> None:
    limit = ConcurrencyLimit(500)
    windows(limit, 10, latency=3.0)
    assert limit.whole == 500


def test_after_an_outage_it_begins_gently_and_goes_up_quickly() -> None:
    limit = ConcurrencyLimit(500)
    windows(limit, 7)
    limit.begin_anew()
    assert limit.whole == FIRST
    windows(limit, 7)
    assert limit.whole == 500


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
        assert 0.0 <= limit.share <= 1.0
