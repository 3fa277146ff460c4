"""The jobs and intents that a Redis has lost are restored by the worker that wrote them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from provisioning.attempt import Bounds
from provisioning.errors import LedgerUnavailableError
from provisioning.job import Verdict, fingerprint
from provisioning.ledger import Claim, Ledger, Restoration, keys, transitions
from provisioning.ledger.schema import FORMAT, SETTLING_MS, How
from provisioning.ledger.scripts import source
from provisioning.lifecycle import Event, State
from tests.support.ledger_fixtures import (
    CHANGE,
    LEASE,
    OUTCOME,
    Clock,
    answer,
    claim,
    fill,
    new_job,
    say,
    send,
)
from tests.unit.provisioning.ledger.test_lost_intents import go_back, kept


async def restore(ledger: Ledger, job: Claim, attempt: int = 1) -> Restoration:
    [word] = await ledger.do(transitions.restore(job.batch, [(job, attempt)], worker="w1", lease=LEASE))
    return word


async def sent_and_lost(ledger: Ledger, clock: Clock, *, lost: str) -> Claim:
    """The second of three jobs is claimed and sent; what was written from `lost` on is gone."""
    await fill(ledger, new_job("k1"))
    kinds = {"acceptance": await kept(ledger)}
    await ledger.do(transitions.accept("b1", [new_job("k2"), new_job("k3")], "ana"))
    kinds["claim"] = await kept(ledger)
    jobs = await claim(ledger)
    kinds["intent"] = await kept(ledger)
    [job] = [each for each in jobs if each.key == "k2"]
    assert await send(ledger, job)
    await go_back(ledger, kinds[lost])
    clock.advance(1)
    return job


@pytest.mark.parametrize("lost", ["acceptance", "claim", "intent"])
@pytest.mark.parametrize("event", list(OUTCOME))
async def test_a_post_that_was_lost_is_under_way_again_and_its_answer_is_in_time(
    ledger: Ledger, clock: Clock, lost: str, event: Event
) -> None:
    job = await sent_and_lost(ledger, clock, lost=lost)
    word = Restoration.RESTORED if lost == "acceptance" else Restoration.TAKEN_UP
    assert [await restore(ledger, job) for _ in range(2)] == [word, Restoration.KNOWN]
    record = await ledger.queries.job(job.job_id)
    assert (record.state, record.key, record.credential) == (State.SENDING, "k2", "acme")
    assert record.bounds == Bounds(0, 1)
    assert [each.key for each in await claim(ledger)].count("k2") == 0
    [recorded] = await ledger.do(transitions.answered("b1", [answer(job, event)]))
    assert recorded.how is How.IN_TIME
    record = await ledger.queries.job(job.job_id)
    assert record.bounds == Bounds(0, 1) + CHANGE[event]
    status = await ledger.queries.status("b1")
    assert status.conserved
    assert status.attempts == 1


async def test_a_restored_job_keeps_its_number_and_no_other_gets_it(ledger: Ledger, clock: Clock) -> None:
    job = await sent_and_lost(ledger, clock, lost="acceptance")
    same = new_job("k2", fingerprint=fingerprint({"a": 1}))
    third = msgspec.structs.replace(job, number=5, token=job.token + 1, key="k5")
    assert await restore(ledger, third) is Restoration.RESTORED
    assert await restore(ledger, job) is Restoration.RESTORED
    accepted = await ledger.do(transitions.accept("b1", [new_job("k3"), same], "ana"))
    assert [each.verdict for each in accepted] == [Verdict.NEW, Verdict.QUEUED]
    assert accepted[0].job_id == "b1.6"
    assert accepted[1].job_id == job.job_id
    status = await ledger.queries.status("b1")
    assert status.accepted == 4
    assert status.conserved
    numbers = [record.number async for record in ledger.queries.jobs("b1")]
    assert numbers == [1, 2, 5, 6]
    assert await ledger.operations.cancel("b1", "ana") == 2  # the one above the gap included


async def test_a_job_that_was_claimed_and_lost_is_queued_again(ledger: Ledger, clock: Clock) -> None:
    job = await sent_and_lost(ledger, clock, lost="acceptance")
    assert await restore(ledger, job, 0) is Restoration.RESTORED
    assert await restore(ledger, job, 0) is Restoration.KNOWN
    assert [each.key for each in await claim(ledger)] == ["k2", "k1"]
    assert (await ledger.queries.status("b1")).bounds == Bounds()


async def test_a_batch_that_was_lost_as_a_whole_is_there_again(ledger: Ledger) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await send(ledger, job)
    await ledger.redis.flushall()
    assert await restore(ledger, job) is Restoration.RESTORED
    [batch] = [each async for each in ledger.queries.batches()]
    assert (batch.batch, batch.accepted, batch.states[State.SENDING]) == ("b1", 1, 1)
    assert await ledger.redis.get(keys.FORMAT) == FORMAT  # or nobody would start on it


async def test_a_number_that_another_job_has_by_now_is_left_to_it(ledger: Ledger, clock: Clock) -> None:
    job = await sent_and_lost(ledger, clock, lost="acceptance")
    await ledger.do(transitions.accept("b1", [new_job("other")], "ana"))
    assert await restore(ledger, job) is Restoration.OTHER
    record = await ledger.queries.job("b1.2")
    assert (record.key, record.state, record.bounds) == ("other", State.QUEUED, Bounds())


async def test_the_answer_of_a_lost_job_does_not_end_the_one_that_has_its_number_by_now(
    ledger: Ledger, clock: Clock
) -> None:
    job = await sent_and_lost(ledger, clock, lost="acceptance")
    await ledger.do(transitions.accept("b1", [new_job("other")], "ana"))
    for _ in range(2):
        [recorded] = await ledger.do(transitions.answered("b1", [answer(job, Event.CREATED)]))
        assert recorded.how is How.LOST
        assert await restore(ledger, job) is Restoration.OTHER
    record = await ledger.queries.job("b1.2")
    assert (record.key, record.state, record.result) == ("other", State.QUEUED, None)
    assert (await ledger.queries.status("b1")).bounds == Bounds()


async def test_a_key_that_has_another_job_by_now_is_left_to_it(ledger: Ledger, clock: Clock) -> None:
    job = await sent_and_lost(ledger, clock, lost="acceptance")
    await fill(ledger, new_job("k2"), batch="b2")
    assert await restore(ledger, job) is Restoration.OTHER
    assert (await ledger.queries.status("b1")).conserved


async def test_what_the_ledger_knows_is_left_as_it_is(ledger: Ledger) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await send(ledger, job)
    before = await kept(ledger)
    assert await restore(ledger, job) is Restoration.KNOWN
    assert await kept(ledger) == before
    for event in (Event.RETRY_DUE, Event.REJECTED):
        await say(ledger, answer(job, event))
        assert await restore(ledger, job) is Restoration.KNOWN
        await send(ledger, job, 2)


async def test_a_redriven_job_is_not_taken_for_one_whose_attempt_was_lost(ledger: Ledger) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await send(ledger, job)
    await say(ledger, answer(job, Event.REJECTED))
    await ledger.do(transitions.redrive("b1", [1], "ana"))
    assert await restore(ledger, job) is Restoration.KNOWN
    [recorded] = await ledger.do(transitions.answered("b1", [answer(job, Event.REJECTED)]))
    assert recorded.how is How.LOST
    assert (await ledger.queries.status("b1")).attempts == 1


@pytest.mark.parametrize("lost", ["claim", "intent"])
async def test_of_a_job_that_a_person_has_cancelled_meanwhile_the_answer_counts(
    ledger: Ledger, clock: Clock, lost: str
) -> None:
    job = await sent_and_lost(ledger, clock, lost=lost)
    await ledger.operations.cancel("b1", "ana")
    assert await restore(ledger, job) is Restoration.TAKEN_UP
    record = await ledger.queries.job(job.job_id)
    assert (record.state, record.bounds) == (State.CANCELLED, Bounds(0, 1))
    await say(ledger, answer(job, Event.CREATED))
    record = await ledger.queries.job(job.job_id)
    assert (record.state, record.bounds) == (State.SUCCEEDED, Bounds(1, 1))


async def test_an_earlier_attempt_whose_answer_was_lost_too_stays_counted(
    ledger: Ledger, clock: Clock
) -> None:
    await fill(ledger, new_job("k"))
    [first] = await claim(ledger)
    await send(ledger, first)
    before = await kept(ledger)
    await say(ledger, answer(first, Event.REFUSED))
    clock.advance(1)
    [second] = await claim(ledger)
    await send(ledger, second)
    await go_back(ledger, before)
    assert await restore(ledger, second) is Restoration.TAKEN_UP
    assert (await ledger.queries.job("b1.1")).bounds == Bounds(0, 2)
    await say(ledger, answer(first, Event.REFUSED))
    await say(ledger, answer(second, Event.CREATED))
    assert (await ledger.queries.job("b1.1")).bounds == Bounds(1, 1)
    assert (await ledger.queries.status("b1")).conserved


async def meet(ledger: Ledger, run_id: str, clock: Clock, *, before: str = "") -> int:
    redis: Any = ledger.redis
    ledger.primary.run_id = run_id
    now = str(int(clock() * 1000))
    return int(await redis.eval(source("new_primary"), 1, keys.PRIMARY, now, run_id, before))


async def test_a_redis_that_may_have_lost_writes_takes_no_jobs_before_it_is_told(
    ledger: Ledger, clock: Clock
) -> None:
    await fill(ledger, new_job("k"))
    assert await meet(ledger, "a", clock) == -1
    await ledger.expose(True)
    assert await meet(ledger, "a", clock) == 0
    assert len(await claim(ledger, 0)) == 0
    assert await meet(ledger, "b", clock) == 1
    assert await meet(ledger, "b", clock) == 0
    for refused in (
        transitions.accept("b1", [new_job("other")], "ana"),
        transitions.claim("b1", worker="w1", lease=LEASE, target="t", most=1, rooms={}),
    ):
        with pytest.raises(LedgerUnavailableError, match="may have lost its last writes"):
            await ledger.do(refused)
    assert (await ledger.queries.status("b1")).primary_changed_at == clock()
    clock.advance(SETTLING_MS / 1000)
    assert len(await claim(ledger)) == 1


async def test_a_redis_that_has_lost_all_is_told_first_whatever_was_known_of_it(
    ledger: Ledger, clock: Clock
) -> None:
    assert await meet(ledger, "a", clock) == -1
    await ledger.redis.flushall()
    assert await meet(ledger, "b", clock, before="a") == 1
    await ledger.do(transitions.open_batch("b1", "b1", {}))
    with pytest.raises(LedgerUnavailableError, match="may have lost its last writes"):
        await ledger.do(transitions.accept("b1", [new_job("k")], "ana"))
    clock.advance(SETTLING_MS / 1000)
    await ledger.do(transitions.accept("b1", [new_job("k")], "ana"))
    assert await meet(ledger, "c", clock, before="b") == 1


async def test_a_clock_that_is_set_back_holds_nobody_back_for_longer(ledger: Ledger, clock: Clock) -> None:
    await fill(ledger, new_job("k"))
    await meet(ledger, "a", clock)
    await ledger.expose(True)
    await meet(ledger, "b", clock)
    clock.advance(-3600)
    assert len(await claim(ledger)) == 1


async def test_a_redis_that_loses_nothing_goes_on_at_once(ledger: Ledger, clock: Clock) -> None:
    await fill(ledger, new_job("k"))
    await meet(ledger, "a", clock)
    await ledger.expose(False)
    assert await meet(ledger, "b", clock) == 0
    assert len(await claim(ledger)) == 1
    assert (await ledger.queries.status("b1")).primary_changed_at is None
