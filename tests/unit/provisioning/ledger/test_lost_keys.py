"""A sealed ledger that has lost its last writes: what is told it can be opened by others than the teller."""

from __future__ import annotations

from collections.abc import AsyncIterator

import fakeredis
import pytest
from cryptography.fernet import Fernet

from provisioning.attempt import Bounds
from provisioning.ledger import Claim, Ledger, Restoration, transitions
from provisioning.lifecycle import Event, State
from tests.support.ledger_fixtures import LEASE, Clock, answer, claim, fill, new_job, say, send
from tests.unit.provisioning.ledger.test_lost_intents import go_back, kept

MASTER = Fernet.generate_key().decode()


@pytest.fixture
async def sealed(clock: Clock) -> AsyncIterator[tuple[Ledger, Ledger]]:
    """The same ledger in two processes."""
    server = fakeredis.FakeServer()
    ours, others = (Ledger(fakeredis.FakeAsyncRedis(server=server), clock, masters=MASTER) for _ in range(2))
    yield ours, others
    await ours.close()
    await others.close()


async def restore(ledger: Ledger, job: Claim, attempt: int) -> Restoration:
    [word] = await ledger.do(transitions.restore(job.batch, [(job, attempt)], worker="w1", lease=LEASE))
    return word


async def test_a_job_whose_data_key_was_lost_with_it_can_be_opened_by_others(
    sealed: tuple[Ledger, Ledger],
) -> None:
    ours, others = sealed
    before = await kept(ours)
    await fill(ours, new_job("k"))
    [job] = await claim(ours)
    await go_back(ours, before)
    assert await restore(ours, job, 0) is Restoration.RESTORED
    [again] = await claim(others, worker="w2")
    assert again.body == job.body


async def test_what_is_accepted_after_its_data_key_was_lost_can_be_opened_by_others(
    sealed: tuple[Ledger, Ledger],
) -> None:
    ours, others = sealed
    await ours.do(transitions.open_batch("b1", "b1", {}))
    before = await kept(ours)
    await ours.do(transitions.accept("b1", [new_job("k")], "ana"))
    await go_back(ours, before)
    await ours.do(transitions.accept("b1", [new_job("k")], "ana"))
    assert [job.body for job in await claim(others)] == [new_job("k").body]


async def test_a_job_of_a_batch_that_was_shredded_is_told_of_all_the_same(
    sealed: tuple[Ledger, Ledger],
) -> None:
    ours, _ = sealed
    await fill(ours, new_job("k"))
    [job] = await claim(ours)
    await send(ours, job)
    await say(ours, answer(job, Event.REJECTED))
    await ours.operations.shred("b1", actor="ana")
    assert await restore(ours, job, 1) is Restoration.KNOWN
    record = await ours.queries.job("b1.1")
    assert (record.state, record.bounds) == (State.DEAD, Bounds())
