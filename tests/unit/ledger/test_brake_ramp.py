"""How an outage's brake comes off by itself: a canary, ten, a hundred, all (issue 4)."""

from __future__ import annotations

import pytest

from provisioning import keys
from provisioning.ledger import Grant, Hold, Intent, Ledger, transitions
from tests.ledger_fixtures import LEASE, TARGET, Clock, claim, fill, new_job

SCOPE = keys.hold_target(TARGET)
FIRST_PAUSE = 2.0
LONGEST = 60.0


@pytest.fixture
async def braked(ledger: Ledger) -> Ledger:
    """A ledger with 300 jobs whose target is down; the first canary may go in `FIRST_PAUSE` seconds."""
    await fill(ledger, *(new_job(f"k{n}") for n in range(300)))
    hold = Hold(scope=SCOPE, at=0.0, by="w1", why="down", kind="brake")
    assert await ledger.do(transitions.brake(hold, canary_after=FIRST_PAUSE))
    return ledger


async def let_through(ledger: Ledger, most: int = 300) -> int:
    """Claims and sends what the brake lets through. Returns: how many that were."""
    jobs = await claim(ledger, most)
    if not jobs:
        return 0
    intents = [Intent(job.number, job.token, job.attempts + 1, job.credential) for job in jobs]
    grants: list[Grant] = await ledger.do(transitions.sending("b1", intents, lease=LEASE, target=TARGET))
    assert all(grant.trial for grant in grants if grant.go)
    return sum(grant.go for grant in grants)


async def say(ledger: Ledger, *, good: int = 0, bad: int = 0) -> bool:
    """What those let through have shown. Returns: whether the brake came off by it."""
    off = False
    for _ in range(bad):
        off |= await ledger.do(transitions.tried(SCOPE, "bad", longest_pause=LONGEST))
    for _ in range(good):
        off |= await ledger.do(transitions.tried(SCOPE, "good", longest_pause=LONGEST))
    return off


async def test_one_then_ten_then_a_hundred_then_all(braked: Ledger, clock: Clock) -> None:
    assert await let_through(braked) == 0
    clock.advance(FIRST_PAUSE)
    assert await let_through(braked) == 1
    assert await let_through(braked) == 0
    assert not await say(braked, good=1)
    assert await let_through(braked) == 10
    assert not await say(braked, good=10)
    assert await let_through(braked) == 100
    assert await say(braked, good=100)
    assert not await braked.view.holds()


async def test_each_canary_that_fails_doubles_the_pause_up_to_the_longest(
    braked: Ledger, clock: Clock
) -> None:
    for pause in (2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0):
        clock.advance(pause - 0.01)
        assert await let_through(braked) == 0
        clock.advance(0.01)
        assert await let_through(braked) == 1
        assert not await say(braked, bad=1)


async def test_an_api_that_fails_now_and_then_gets_its_brake_off(braked: Ledger, clock: Clock) -> None:
    clock.advance(FIRST_PAUSE)
    await let_through(braked)
    await say(braked, good=1)
    assert await let_through(braked) == 10
    await say(braked, bad=3, good=7)
    assert await let_through(braked) == 100
    assert await say(braked, bad=30, good=70)


async def test_a_stage_of_which_more_than_half_fails_goes_back_to_one_canary(
    braked: Ledger, clock: Clock
) -> None:
    clock.advance(FIRST_PAUSE)
    await let_through(braked)
    await say(braked, good=1)
    assert await let_through(braked) == 10
    await say(braked, bad=6)
    assert await let_through(braked) == 0
    clock.advance(FIRST_PAUSE)
    assert await let_through(braked) == 1


async def test_late_failures_of_a_stage_do_not_lengthen_the_next_pause(braked: Ledger, clock: Clock) -> None:
    clock.advance(FIRST_PAUSE)
    await let_through(braked)
    await say(braked, good=1)
    assert await let_through(braked) == 10
    await say(braked, bad=10)  # the sixth decides; four are told later
    clock.advance(FIRST_PAUSE)
    assert await let_through(braked) == 1


async def test_late_successes_of_a_stage_are_no_canary(braked: Ledger, clock: Clock) -> None:
    clock.advance(FIRST_PAUSE)
    await let_through(braked)
    await say(braked, good=1)
    assert await let_through(braked) == 10
    await say(braked, bad=6, good=4)
    assert await let_through(braked) == 0


async def test_permits_that_nobody_reports_on_are_given_again(braked: Ledger, clock: Clock) -> None:
    clock.advance(FIRST_PAUSE)
    assert await let_through(braked) == 1  # and its worker is killed
    clock.advance(LEASE - 0.01)
    assert await let_through(braked) == 0
    clock.advance(0.01)
    assert await let_through(braked) == 1
    await say(braked, good=1)
    assert await let_through(braked) == 10
