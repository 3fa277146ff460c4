"""Answers that come when their job is no longer being sent under their token: none is dropped."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from provisioning.attempt import Bounds, Evidence, Result
from provisioning.ledger import Claim, JobRecord, Ledger, transitions
from provisioning.lifecycle import Event, State
from tests.support.ledger_fixtures import (
    LEASE,
    OUTCOME,
    Clock,
    answer,
    changed,
    claim,
    fill,
    new_job,
    say,
    send,
    snapshot,
)


async def _lapse(ledger: Ledger, clock: Clock, *, retry: bool = False) -> None:
    clock.advance(LEASE + 1)
    await ledger.do(transitions.rescue("b1", on_in_doubt="retry" if retry else "hold"))


async def _lost_post(ledger: Ledger, clock: Clock, *, retry: bool = False) -> Claim:
    """A job whose worker fell silent while sending. Returns: what that worker holds."""
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    assert await send(ledger, job)
    await _lapse(ledger, clock, retry=retry)
    return job


async def _resolve(ledger: Ledger, *, created: bool, result: Result | None = None) -> None:
    assert await ledger.do(transitions.resolve("b1", 1, created=created, actor="ana", result=result))


async def _job(ledger: Ledger) -> JobRecord:
    status = await ledger.queries.status("b1")
    job = await ledger.queries.job("b1.1")
    assert status.conserved
    assert status.states[job.state] == 1
    assert status.bounds == job.bounds
    return job


@pytest.mark.parametrize(
    ("event", "state", "bounds"),
    [
        (Event.CREATED, State.SUCCEEDED, Bounds(1, 1)),
        (Event.REJECTED, State.DEAD, Bounds(0, 0)),
        (Event.EXHAUSTED, State.DEAD, Bounds(0, 1)),
        (Event.RETRY_DUE, State.QUEUED, Bounds(0, 1)),
        (Event.REFUSED, State.QUEUED, Bounds(0, 0)),
        (Event.DOUBTED, State.IN_DOUBT, Bounds(0, 1)),
    ],
)
@pytest.mark.parametrize("retry", [False, True], ids=["in_doubt", "queued_by_retry"])
async def test_a_job_that_still_waits_for_its_post_is_settled_by_the_late_answer(
    ledger: Ledger, clock: Clock, event: Event, state: State, bounds: Bounds, retry: bool
) -> None:
    stale = await _lost_post(ledger, clock, retry=retry)
    assert await say(ledger, answer(stale, event)) == [True]
    job = await _job(ledger)
    assert (job.state, job.bounds) == (state, bounds)
    [attempt] = job.attempts
    assert (attempt.late, attempt.token) == (True, stale.token)


@pytest.mark.parametrize("event", list(OUTCOME))
async def test_a_late_answer_said_twice_counts_once(ledger: Ledger, clock: Clock, event: Event) -> None:
    stale = await _lost_post(ledger, clock)
    await say(ledger, answer(stale, event))
    before = await snapshot(ledger.redis)
    assert await say(ledger, answer(stale, event)) == [True]
    assert changed(before, await snapshot(ledger.redis)) == {}


async def test_created_after_a_person_said_absent_ends_the_job_and_sets_the_bounds_right(
    ledger: Ledger, clock: Clock
) -> None:
    stale = await _lost_post(ledger, clock)
    await _resolve(ledger, created=False)
    assert (await _job(ledger)).bounds == Bounds(0, 0)
    await say(ledger, answer(stale, Event.CREATED))
    job = await _job(ledger)
    assert (job.state, job.bounds) == (State.SUCCEEDED, Bounds(1, 1))
    assert job.result is not None
    assert job.result.key == "key of w-1"
    assert await claim(ledger) == []


@pytest.mark.parametrize("event", [Event.REJECTED, Event.EXHAUSTED, Event.RETRY_DUE, Event.REFUSED])
async def test_after_a_person_said_absent_no_other_answer_touches_the_new_drive(
    ledger: Ledger, clock: Clock, event: Event
) -> None:
    stale = await _lost_post(ledger, clock)
    await _resolve(ledger, created=False)
    before = await snapshot(ledger.redis)
    await say(ledger, answer(stale, event))
    moved = changed(before, await snapshot(ledger.redis))
    assert sorted(moved) == [f"pv:{{b1}}:jobs 1 post {stale.token}:1", "pv:{b1}:jobs 1 story"]
    assert (await _job(ledger)).bounds == Bounds(0, 0)


async def test_a_job_resolved_as_created_without_a_key_gets_it_from_the_late_answer(
    ledger: Ledger, clock: Clock
) -> None:
    stale = await _lost_post(ledger, clock)
    await _resolve(ledger, created=True)
    await say(ledger, answer(stale, Event.CREATED))
    job = await _job(ledger)
    assert (job.state, job.reason, job.bounds) == (State.SUCCEEDED, "resolved_created", Bounds(1, 1))
    assert job.result is not None
    assert (job.result.key, job.late_results) == ("key of w-1", [])


async def test_what_a_person_typed_gives_way_to_the_answer_and_is_kept_beside_it(
    ledger: Ledger, clock: Clock
) -> None:
    stale = await _lost_post(ledger, clock)
    typed = Result(widget_id="w-typed")
    await _resolve(ledger, created=True, result=typed)
    await say(ledger, answer(stale, Event.CREATED))
    job = await _job(ledger)
    assert job.result is not None
    assert (job.result.widget_id, job.late_results) == ("w-1", [typed])


async def test_a_person_and_proof_that_disagree_leave_bounds_that_hold_both(
    ledger: Ledger, clock: Clock
) -> None:
    stale = await _lost_post(ledger, clock)
    await _resolve(ledger, created=True)
    await say(ledger, answer(stale, Event.REJECTED))
    job = await _job(ledger)
    assert (job.state, job.bounds) == (State.SUCCEEDED, Bounds(0, 1))


async def test_created_takes_the_job_from_a_successor_that_has_not_sent_yet(
    ledger: Ledger, clock: Clock
) -> None:
    stale = await _lost_post(ledger, clock, retry=True)
    [successor] = await claim(ledger, worker="w2")
    await say(ledger, answer(stale, Event.CREATED))
    assert not await send(ledger, successor)
    job = await _job(ledger)
    assert (job.state, job.bounds, job.worker) == (State.SUCCEEDED, Bounds(1, 1), "")
    assert await ledger.redis.zcard("pv:{b1}:leases") == 0


@pytest.mark.parametrize(
    ("event", "bounds", "late"),
    [
        (Event.CREATED, Bounds(2, 2), ["w-2"]),
        (Event.REJECTED, Bounds(1, 1), []),
        (Event.RETRY_DUE, Bounds(1, 2), []),
        (Event.DOUBTED, Bounds(1, 2), []),
    ],
)
async def test_created_settles_the_job_while_a_successor_sends_and_its_answer_is_late_in_its_turn(
    ledger: Ledger, clock: Clock, event: Event, bounds: Bounds, late: list[str]
) -> None:
    stale = await _lost_post(ledger, clock, retry=True)
    [successor] = await claim(ledger, worker="w2")
    assert await send(ledger, successor)
    await say(ledger, answer(stale, Event.CREATED))
    assert (await _job(ledger)).bounds == Bounds(1, 2)
    for _ in range(2):
        assert await say(ledger, answer(successor, event, widget="w-2")) == [True]
    job = await _job(ledger)
    assert (job.state, job.bounds) == (State.SUCCEEDED, bounds)
    assert job.result is not None
    assert (job.result.widget_id, [each.widget_id for each in job.late_results]) == ("w-1", late)


@pytest.mark.parametrize("ending", [Event.REJECTED, Event.EXHAUSTED])
async def test_created_revives_a_job_that_a_successor_gave_up(
    ledger: Ledger, clock: Clock, ending: Event
) -> None:
    stale = await _lost_post(ledger, clock, retry=True)
    [successor] = await claim(ledger, worker="w2")
    await send(ledger, successor)
    await say(ledger, answer(successor, ending))
    await say(ledger, answer(stale, Event.CREATED))
    job = await _job(ledger)
    assert job.state is State.SUCCEEDED
    assert await ledger.redis.zcard("pv:{b1}:dead") == 0
    assert (await ledger.queries.status("b1")).causes == {}
    assert [a.token for a in job.attempts] == [stale.token, None]


async def test_created_ends_a_job_that_was_cancelled_meanwhile(ledger: Ledger, clock: Clock) -> None:
    stale = await _lost_post(ledger, clock, retry=True)
    assert await ledger.do(transitions.cancel("b1", 1, 1, "ana")) == 1
    await say(ledger, answer(stale, Event.CREATED))
    job = await _job(ledger)
    assert (job.state, job.bounds) == (State.SUCCEEDED, Bounds(1, 1))


@pytest.mark.parametrize("event", [Event.REJECTED, Event.EXHAUSTED, Event.RETRY_DUE, Event.REFUSED])
async def test_any_other_late_answer_leaves_the_successor_alone(
    ledger: Ledger, clock: Clock, event: Event
) -> None:
    stale = await _lost_post(ledger, clock, retry=True)
    [successor] = await claim(ledger, worker="w2")
    await send(ledger, successor)
    before = await snapshot(ledger.redis)
    late = answer(stale, event)
    assert await say(ledger, late) == [True]
    moved = changed(before, await snapshot(ledger.redis))
    expected = {"pv:{b1}:jobs 1 story", f"pv:{{b1}}:jobs 1 post {stale.token}:1"}
    if late.change.most:
        expected |= {"pv:{b1} most", "pv:{b1}:jobs 1 most"}
    assert set(moved) == expected
    assert (await _job(ledger)).bounds == Bounds(0, 2) + late.change


async def test_a_late_wish_to_wait_is_obeyed_in_the_queue(ledger: Ledger, clock: Clock) -> None:
    stale = await _lost_post(ledger, clock)
    await say(ledger, answer(stale, Event.RETRY_DUE, next_delay=7.5))
    assert await claim(ledger) == []
    clock.advance(7.5)
    assert len(await claim(ledger)) == 1


async def test_the_withdrawal_of_a_post_that_is_not_known_changes_nothing(
    ledger: Ledger, clock: Clock
) -> None:
    stale = await _lost_post(ledger, clock)
    before: dict[str, Any] = await snapshot(ledger.redis)
    said = answer(stale, Event.REFUSED, attempt=2)
    nothing_sent = msgspec.structs.replace(said.attempt, evidence=Evidence.NOTHING_SENT)
    assert await say(ledger, msgspec.structs.replace(said, attempt=nothing_sent)) == [False]
    assert changed(before, await snapshot(ledger.redis)) == {}
