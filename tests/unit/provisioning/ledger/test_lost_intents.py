"""A ledger that has lost its last writes takes the answer of a POST that it does not know of."""

from __future__ import annotations

from typing import Any

import pytest

from provisioning.attempt import Bounds, Evidence
from provisioning.ledger import Claim, Ledger, keys, transitions
from provisioning.ledger.schema import How
from provisioning.lifecycle import Event, State
from tests.support.ledger_fixtures import CHANGE, NOW, OUTCOME, Clock, answer, claim, fill, new_job, send

ENDS = {
    Event.CREATED: State.SUCCEEDED,
    Event.REJECTED: State.DEAD,
    Event.EXHAUSTED: State.DEAD,
    Event.RETRY_DUE: State.QUEUED,
    Event.REFUSED: State.QUEUED,
    Event.DOUBTED: State.IN_DOUBT,
}


async def kept(ledger: Ledger) -> dict[bytes, bytes]:
    """All that the ledger holds."""
    redis: Any = ledger.redis
    return {name: await redis.dump(name) for name in await redis.keys("*")}


async def go_back(ledger: Ledger, before: dict[bytes, bytes]) -> None:
    """As it is after a power cut, or for a replica that lagged."""
    redis: Any = ledger.redis
    await redis.flushall()
    for name, value in before.items():
        await redis.restore(name, 0, value)


async def lose(ledger: Ledger, clock: Clock, *, since: str) -> Claim:
    """A job is claimed and its POST begun; what was written since then is gone."""
    await fill(ledger, new_job("k"))
    before = await kept(ledger)
    [job] = await claim(ledger)
    before = await kept(ledger) if since == "claim" else before
    assert await send(ledger, job)
    await go_back(ledger, before)
    clock.advance(1)
    return job


@pytest.mark.parametrize("since", ["claim", "acceptance"])
@pytest.mark.parametrize("event", list(OUTCOME))
async def test_the_answer_of_a_post_whose_intent_is_lost_counts(
    ledger: Ledger, clock: Clock, event: Event, since: str
) -> None:
    job = await lose(ledger, clock, since=since)
    for _ in range(2):  # said twice
        [recorded] = await ledger.do(transitions.answered("b1", [answer(job, event)]))
        assert recorded.how in (How.LATE, How.LATE_MOVE)
        assert recorded.state is ENDS[event]
    record = await ledger.queries.job("b1.1")
    assert record.bounds == Bounds(0, 1) + CHANGE[event]
    assert (record.result is not None) == (event is Event.CREATED)
    assert [attempt.late for attempt in record.attempts] == [True]
    status = await ledger.queries.status("b1")
    assert status.conserved
    assert status.bounds == record.bounds
    jobs = await claim(ledger)
    assert [each.number for each in jobs] == ([1] if ENDS[event] is State.QUEUED else [])
    assert await ledger.redis.zcard(keys.leases("b1")) == len(jobs)


async def test_what_was_withdrawn_without_a_byte_is_no_answer(ledger: Ledger, clock: Clock) -> None:
    job = await lose(ledger, clock, since="claim")
    said = answer(job, Event.REFUSED)
    attempt = type(said.attempt)(**{**_fields(said.attempt), "evidence": Evidence.NOTHING_SENT})
    withdrawn = type(said)(said.number, said.token, said.event, said.reason, said.change, attempt)
    [recorded] = await ledger.do(transitions.answered("b1", [withdrawn]))
    assert recorded.how is How.LOST
    assert (await ledger.queries.job("b1.1")).bounds == Bounds()


async def test_an_answer_that_comes_again_after_its_job_has_gone_on_is_not_taken_for_one(
    ledger: Ledger, clock: Clock
) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await send(ledger, job)
    said = answer(job, Event.REJECTED)
    await ledger.do(transitions.answered("b1", [said]))
    await ledger.do(transitions.redrive("b1", [1], "ana"))
    clock.advance(1)
    [again] = await claim(ledger)
    assert again.token > job.token
    [recorded] = await ledger.do(transitions.answered("b1", [said]))
    assert recorded.how is How.LOST


@pytest.mark.parametrize("first", ["late", "other"])
@pytest.mark.parametrize("event", list(OUTCOME))
async def test_an_answer_from_a_worker_that_comes_when_another_has_the_job_counts(
    ledger: Ledger, clock: Clock, event: Event, first: str
) -> None:
    late = await lose(ledger, clock, since="acceptance")
    [job] = await claim(ledger, worker="w2")
    await send(ledger, job)
    said = answer(late, event, widget="w-2")
    earlier = type(said.attempt)(**{**_fields(said.attempt), "at": NOW - 5})
    said = type(said)(**{**_fields(said), "attempt": earlier})
    answers = [said, said, answer(job, Event.CREATED)]  # said twice
    for each in answers if first == "late" else reversed(answers):
        [recorded] = await ledger.do(transitions.answered("b1", [each]))
        assert recorded.taken
    record = await ledger.queries.job("b1.1")
    assert record.state is State.SUCCEEDED
    assert record.bounds == Bounds(1, 1) + Bounds(0, 1) + CHANGE[event]
    assert (await ledger.queries.status("b1")).conserved


async def test_an_answer_before_the_one_whose_attempt_is_known_counts(ledger: Ledger, clock: Clock) -> None:
    job = await lose(ledger, clock, since="acceptance")
    for attempt in (2, 1):  # the second waited for Redis, the first is told of then
        [recorded] = await ledger.do(
            transitions.answered("b1", [answer(job, Event.RETRY_DUE, attempt=attempt)])
        )
        assert recorded.taken
    record = await ledger.queries.job("b1.1")
    assert (record.state, record.bounds, len(record.attempts)) == (State.QUEUED, Bounds(0, 2), 2)


def _fields(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}
