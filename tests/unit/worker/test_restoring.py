"""A worker restores what Redis may have lost, while new answers come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from provisioning.attempt import Bounds, Evidence
from provisioning.ledger import Claim, Ledger, Restoration, transitions
from provisioning.lifecycle import Event, State
from tests.support.ledger_fixtures import (
    LEASE,
    TARGET,
    Clock,
    answer,
    changed,
    claim,
    fill,
    new_job,
    send,
    snapshot,
)
from tests.unit.provisioning.ledger.test_lost_intents import go_back, kept
from worker.execution.recorder import Recorder


@asynccontextmanager
async def recording(ledger: Ledger) -> AsyncIterator[Recorder]:
    recorder = Recorder(ledger, worker="w1", lease=LEASE, target=TARGET, stop_loss=0)
    recorder.to_restore.on = True
    recorder.start()
    try:
        async with asyncio.timeout(5):
            yield recorder
    finally:
        await recorder.stop()


async def claimed_and_sent(ledger: Ledger, clock: Clock, *keys: str) -> list[Claim]:
    await ledger.do(transitions.accept("b1", [new_job(key) for key in keys], "ana"))
    clock.advance(1)
    jobs = await claim(ledger)
    for job in jobs:
        assert await send(ledger, job)
    return jobs


async def test_what_was_recorded_is_told_behind_its_job_whatever_is_recorded_meanwhile(
    ledger: Ledger, clock: Clock
) -> None:
    await fill(ledger)
    before = await kept(ledger)
    done, under_way = await claimed_and_sent(ledger, clock, "k1", "k2")
    async with recording(ledger) as recorder:
        await recorder.answered(done, answer(done, Event.CREATED))
        await go_back(ledger, before)
        waits = asyncio.ensure_future(recorder.answered(under_way, answer(under_way, Event.CREATED)))
        await asyncio.sleep(0)
        await recorder.restore([])
        await waits
        for job in (done, under_way):
            record = await ledger.queries.job(job.job_id)
            assert (record.state, record.bounds) == (State.SUCCEEDED, Bounds(1, 1))
        assert (await ledger.queries.status("b1")).conserved


async def test_an_answer_that_comes_while_its_post_is_told_of_is_recorded_behind_it(
    ledger: Ledger, clock: Clock
) -> None:
    await fill(ledger)
    done, under_way = await claimed_and_sent(ledger, clock, "k1", "k2")
    async with recording(ledger) as recorder:
        await recorder.answered(done, answer(done, Event.CREATED))
        restoring = asyncio.ensure_future(recorder.restore([(under_way, 1)]))
        await asyncio.sleep(0)
        await recorder.answered(under_way, answer(under_way, Event.REFUSED))
        assert await restoring == {Restoration.KNOWN: 2}
    record = await ledger.queries.job(under_way.job_id)
    assert (record.state, record.bounds) == (State.QUEUED, Bounds())


async def test_what_was_told_is_told_again_to_the_next_redis(ledger: Ledger, clock: Clock) -> None:
    await fill(ledger)
    before = await kept(ledger)
    [job] = await claimed_and_sent(ledger, clock, "k")
    async with recording(ledger) as recorder:
        await recorder.answered(job, answer(job, Event.CREATED))
        for _ in range(2):
            await go_back(ledger, before)
            assert await recorder.restore([]) == {Restoration.RESTORED: 1}
            assert (await ledger.queries.job(job.job_id)).state is State.SUCCEEDED


@pytest.mark.parametrize("sent", [True, False])
async def test_an_attempt_that_was_given_back_is_not_in_doubt_because_that_was_lost(
    ledger: Ledger, clock: Clock, sent: bool
) -> None:
    await fill(ledger)
    [job] = await claimed_and_sent(ledger, clock, "k")
    before = await kept(ledger)
    said = answer(job, Event.REFUSED)
    if not sent:
        nothing = msgspec.structs.replace(said.attempt, evidence=Evidence.NOTHING_SENT)
        said = msgspec.structs.replace(said, attempt=nothing)
    async with recording(ledger) as recorder:
        await recorder.answered(job, said)
        after = await snapshot(ledger.redis)
        await recorder.restore([])
        assert changed(after, await snapshot(ledger.redis)) == {}  # nothing was lost
        await go_back(ledger, before)
        await recorder.restore([])
    record = await ledger.queries.job(job.job_id)
    assert (record.state, record.bounds) == (State.QUEUED, Bounds())
