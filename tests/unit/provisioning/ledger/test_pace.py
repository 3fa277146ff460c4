"""The bucket that all workers share: however they ask, a credential never goes faster than its pace."""

from __future__ import annotations

import asyncio

import fakeredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.ledger import Ledger, keys, transitions
from provisioning.pace import AHEAD, BURST, Rate, Tokens
from tests.support.ledger_fixtures import Clock

ROUNDING = 0.001
"""Seconds: the scripts count in ms and keep three decimals, at every call."""


async def _take(ledger: Ledger, rate: float, want: int) -> Tokens:
    tokens = await ledger.do(transitions.take("acme", Rate(rate), want))
    await ledger.redis.persist(keys.pace("acme"))  # it goes by the server's time, not by the test's
    return tokens


asks = st.lists(
    st.tuples(
        st.one_of(st.just(0.0), st.floats(0, 0.3), st.floats(0, 30)),  # seconds since the ask before
        st.integers(1, 200),  # wanted: a lone job, or a worker with a long line
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(rate=st.sampled_from([0.2, 1.0, 3.0, 5.0, 50.0, 333.3]), asks=asks)
def test_in_any_window_no_more_start_than_the_pace_and_the_burst(
    rate: float, asks: list[tuple[float, int]]
) -> None:
    """rate * window + rate * BURST + 1, over any takers: the formula of GCRA."""

    async def run() -> None:
        clock = Clock()
        starts: list[float] = []
        async with Ledger(fakeredis.FakeAsyncRedis(), clock) as ledger:
            for pause, want in asks:
                clock.advance(pause)
                tokens = await _take(ledger, rate, want)
                assert tokens.count is not None
                assert tokens.count <= want
                if tokens.count:
                    last = tokens.start + (tokens.count - 1) * tokens.interval
                    assert last <= AHEAD + ROUNDING  # no further ahead than a new pace may take to be felt
                starts += [clock.now + tokens.start + i * tokens.interval for i in range(tokens.count)]
        starts.sort()
        slack = ROUNDING * (len(asks) + 1)
        for first, begin in enumerate(starts):
            for last in range(first, len(starts)):
                window = starts[last] - begin + slack
                assert last - first + 1 <= rate * (window + BURST) + 1

    asyncio.run(run())


@settings(max_examples=30, deadline=None)
@given(rate=st.sampled_from([1.0, 5.0, 50.0]), wants=st.lists(st.integers(1, 100), min_size=5, max_size=20))
def test_takers_who_come_back_when_told_use_the_whole_pace(rate: float, wants: list[int]) -> None:
    async def run() -> None:
        clock = Clock()
        ends, count = 0.0, 0
        async with Ledger(fakeredis.FakeAsyncRedis(), clock) as ledger:
            for want in wants:
                tokens = await _take(ledger, rate, want)
                while not tokens.count:
                    clock.advance(tokens.start + 0.001)
                    tokens = await _take(ledger, rate, want)
                count += tokens.count
                ends = clock.now + tokens.start + tokens.count * tokens.interval
        elapsed = ends - Clock().now
        assert count >= rate * elapsed - 1 - rate * 0.01 * len(wants)

    asyncio.run(run())


@pytest.mark.parametrize(("rate", "at_once"), [(50.0, 6), (5.0, 1), (100.0, 11)])
async def test_an_idle_bucket_lets_a_burst_go_beside_the_one_that_is_due(
    ledger: Ledger, rate: float, at_once: int
) -> None:
    starts = [(await _take(ledger, rate, 1)).start for _ in range(at_once + 1)]
    assert starts == [*[0.0] * at_once, pytest.approx(at_once / rate - BURST, abs=ROUNDING)]


async def test_a_quickened_pace_is_felt_at_once(ledger: Ledger, clock: Clock) -> None:
    assert (await _take(ledger, 1 / 3600, 10)).count == 1
    waiting = await _take(ledger, 1 / 3600, 10)
    assert (waiting.count, waiting.start) == (0, 1.0)  # not an hour: the pace may change meanwhile
    await ledger.operations.set_pace("acme", Rate(50.0))
    clock.advance(0.1)
    tokens = await _take(ledger, 1 / 3600, 10)
    while not tokens.count:
        clock.advance(tokens.start)
        tokens = await _take(ledger, 1 / 3600, 10)
    assert clock.now - Clock().now < 1
    assert tokens.interval == pytest.approx(0.02)


async def test_an_operators_pace_goes_before_the_setting_and_unlimited_is_no_pace(
    ledger: Ledger,
) -> None:
    await ledger.operations.set_pace("acme", Rate(None))
    assert (await _take(ledger, 5.0, 10)).count is None
    await ledger.operations.set_pace("acme", Rate(2.0))
    assert (await _take(ledger, 5.0, 10)).interval == 0.5


async def test_each_credential_has_a_bucket_of_its_own(ledger: Ledger) -> None:
    assert (await _take(ledger, 5.0, 1)).start == 0
    other = await ledger.do(transitions.take("zeta", Rate(5.0), 1))
    assert (other.count, other.start) == (1, 0)
