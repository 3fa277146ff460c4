"""A batch that is limited to its first few new jobs: what is sent, when it is paused, what ends the limit."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import fakeredis
import pytest

from producers.submit import submit
from provisioning import scopes
from provisioning.errors import InvalidInputError
from provisioning.job import Verdict
from provisioning.ledger import Claim, Claims, Deferral, Ledger, Released, Selection, keys, transitions
from provisioning.ledger.client import connect
from provisioning.ledger.events import BEGINNING
from provisioning.ledger.first_few import first_few
from provisioning.ledger.schema import Happened
from provisioning.lifecycle import Event, State
from tests.support.ledger_fixtures import (
    LEASE,
    NOW,
    TARGET,
    Clock,
    answer,
    claim,
    fill,
    lose_opened_batches,
    new_job,
    say,
    send,
)

SCOPE = scopes.of_batch("b1")
FEW = first_few(2, "ana", "s1")


@pytest.fixture(params=["valkey", "fake"])
async def either(request: pytest.FixtureRequest, clock: Clock, valkey_url: str) -> AsyncIterator[Ledger]:
    """An empty ledger, in a real Valkey and in a fake one."""
    redis = connect(valkey_url) if request.param == "valkey" else fakeredis.FakeAsyncRedis()
    await redis.flushall()
    async with Ledger(redis, clock) as ledger:
        yield ledger


async def limited(
    ledger: Ledger, jobs: int = 5, credentials: tuple[str, ...] = ("acme",), asked: str = "b1"
) -> None:
    """Batch b1, limited to its first two new jobs."""
    await ledger.do(transitions.open_batch(asked, "b1", {}, first=FEW))
    rows = [new_job(f"k{n}", credentials[n % len(credentials)]) for n in range(1, jobs + 1)]
    await ledger.do(transitions.accept("b1", rows, "ana", first=FEW))


async def claims(ledger: Ledger, **options: Any) -> Claims:
    options = {"most": 100, "rooms": {}, **options}
    return await ledger.do(transitions.claim("b1", worker="w1", lease=LEASE, target=TARGET, **options))


async def numbers(ledger: Ledger) -> list[int]:
    """Claims what there is. Returns: the numbers."""
    return sorted(job.number for job in await claim(ledger))


async def end(ledger: Ledger, *jobs: Claim, event: Event = Event.CREATED) -> None:
    for job in jobs:
        assert await send(ledger, job)
        await say(ledger, answer(job, event))


async def paused(ledger: Ledger) -> bool:
    return (await ledger.queries.status("b1")).paused


async def fields(ledger: Ledger) -> set[bytes]:
    """What the batch keeps of its limit."""
    redis: Any = ledger.redis
    return {name for name in await redis.hkeys(keys.batch("b1")) if name.startswith(b"first")}


async def test_only_the_first_few_are_claimed_and_the_rest_waits_for_a_yes(either: Ledger) -> None:
    await limited(either)
    found = await claims(either)
    assert sorted(job.number for job in found.jobs) == [1, 2]
    assert not found.more  # a worker would ask again and again
    await end(either, *found.jobs)
    assert not await paused(either)

    assert await numbers(either) == []
    status = await either.queries.status("b1")
    [hold] = status.holds
    assert (hold.by, hold.kind, hold.first, hold.at) == ("ana", "paused", 2, NOW)
    assert hold.why == "the first 2 jobs were sent; the rest waits for a yes"
    assert (status.paused, status.blocked, status.first, status.meta) == (True, True, None, {})
    assert (status.states[State.SUCCEEDED], status.states[State.QUEUED]) == (2, 3)
    [event] = [each.happened for each in (await either.events.after(BEGINNING, "b1"))[0]]
    assert event is Happened.BATCH_PAUSED

    assert await either.operations.release(SCOPE, actor="ana") is Released.RELEASED
    assert await numbers(either) == [3, 4, 5]
    assert await fields(either) == set()


async def test_the_status_shows_the_limit_before_the_pause(ledger: Ledger) -> None:
    await limited(ledger)
    status = await ledger.queries.status("b1")
    assert (status.first, status.paused, status.blocked, status.meta) == (2, False, False, {})
    assert status.public()["first"] == 2


@pytest.mark.parametrize("event", [Event.CREATED, Event.REJECTED, Event.DOUBTED])
async def test_dead_and_in_doubt_count_as_sent(ledger: Ledger, event: Event) -> None:
    await limited(ledger)
    await end(ledger, *(await claim(ledger)), event=event)
    assert await numbers(ledger) == []
    assert await paused(ledger)


async def test_a_job_that_is_retried_rescued_redriven_or_found_absent_is_sent_before_the_rest(
    ledger: Ledger, clock: Clock
) -> None:
    await limited(ledger)
    one, two = sorted(await claim(ledger), key=lambda job: job.number)
    await send(ledger, one)
    await say(ledger, answer(one, Event.RETRY_DUE))
    await ledger.do(transitions.deferred("b1", [Deferral(1, one.token, 10.0, "later")]))
    assert await numbers(ledger) == []  # it waits, and the other is claimed
    clock.advance(LEASE)
    await ledger.do(transitions.rescue("b1", on_in_doubt="hold"))  # the worker of the other is dead
    again = {job.number: job for job in await claim(ledger)}
    assert set(again) == {1, 2}

    await end(ledger, again[1], event=Event.REJECTED)
    await end(ledger, again[2], event=Event.DOUBTED)
    await ledger.operations.redrive("b1", Selection(state=State.DEAD), "ana", justification="no harm")
    await ledger.operations.resolve("b1", 2, created=False, actor="ana")
    assert await numbers(ledger) == [1, 2]
    assert not await paused(ledger)
    assert two.number == 2


async def test_a_denied_job_goes_to_the_back_of_the_first_few_and_not_of_the_batch(ledger: Ledger) -> None:
    await limited(ledger)
    one, two = await claim(ledger)
    await send(ledger, one)
    await say(ledger, answer(one, Event.REFUSED))
    await end(ledger, two)
    assert await numbers(ledger) == [one.number]


async def test_first_few_of_a_held_credential_are_waited_for(ledger: Ledger) -> None:
    await limited(ledger, credentials=("acme", "zeta"))
    await ledger.operations.hold(scopes.of_credential("acme"), actor="ana", justification="")
    await end(ledger, *(await claim(ledger)))
    assert await numbers(ledger) == []
    assert [hold.scope for hold in (await ledger.queries.status("b1")).holds] == ["credential:acme"]
    await ledger.operations.release(scopes.of_credential("acme"))
    await end(ledger, *(await claim(ledger)))
    assert await numbers(ledger) == []
    assert [hold.scope for hold in (await ledger.queries.status("b1")).holds] == [SCOPE]


async def test_a_worker_without_room_does_not_take_the_first_few_for_sent(ledger: Ledger) -> None:
    await limited(ledger)
    found = await claims(ledger, rooms={"acme": (0, 0)})
    assert (found.jobs, found.more, await paused(ledger)) == ([], True, False)


async def test_probes_are_of_the_first_few(ledger: Ledger) -> None:
    await limited(ledger, jobs=40)
    probes = (await claims(ledger, most=1, draw=random.randrange(1 << 30))).jobs
    assert probes[0].number in (1, 2)
    [other] = (await claims(ledger, draw=random.randrange(1 << 30))).jobs
    assert {other.number, probes[0].number} == {1, 2}
    await ledger.do(transitions.deferred("b1", [Deferral(other.number, other.token, 0, "later")]))
    await end(ledger, *probes)
    assert await numbers(ledger) == [other.number]


async def test_a_resume_before_the_pause_sends_the_rest(ledger: Ledger) -> None:
    await limited(ledger)
    await claim(ledger)
    assert await ledger.operations.release(SCOPE, actor="ana") is Released.RELEASED
    assert await numbers(ledger) == [3, 4, 5]
    assert await ledger.operations.release(SCOPE, actor="ana") is Released.NOT_HELD


async def test_the_resume_of_another_pause_is_no_yes_to_the_rest(ledger: Ledger) -> None:
    await limited(ledger)
    await end(ledger, *(await claim(ledger)))
    await ledger.operations.hold(SCOPE, actor="bo", justification="the API is being changed")
    assert await numbers(ledger) == []
    assert [hold.by for hold in (await ledger.queries.status("b1")).holds] == ["bo"]
    await ledger.operations.release(SCOPE, actor="bo")
    assert await numbers(ledger) == []
    assert [hold.by for hold in (await ledger.queries.status("b1")).holds] == ["ana"]


@pytest.mark.parametrize("under_way", [False, True])
async def test_a_cancelled_batch_is_limited_no_longer(ledger: Ledger, under_way: bool) -> None:
    await limited(ledger)
    jobs = await claim(ledger) if under_way else []
    for job in jobs:
        await send(ledger, job)
    await ledger.operations.cancel("b1", "ana")
    for job in jobs:
        await say(ledger, answer(job, Event.CREATED))
    assert await fields(ledger) == set()
    await ledger.operations.redrive("b1", Selection(state=State.CANCELLED), "ana")
    assert len(await numbers(ledger)) == 5 - len(jobs)
    assert not await paused(ledger)


async def test_first_few_that_are_cancelled_count_as_sent(ledger: Ledger) -> None:
    await limited(ledger)
    await ledger.do(transitions.cancel("b1", 1, 2, "ana"))
    assert await numbers(ledger) == []
    assert await paused(ledger)


async def test_the_limit_counts_from_the_last_number_of_a_batch(ledger: Ledger) -> None:
    await fill(ledger, new_job("old1"), new_job("old2"))
    await limited(ledger, asked="b2")
    found = await claim(ledger)
    assert sorted(job.key for job in found) == ["k1", "k2", "old1", "old2"]
    await end(ledger, *found)
    assert await numbers(ledger) == []
    assert await paused(ledger)


async def test_a_repeated_submission_does_not_add_to_the_limit(ledger: Ledger) -> None:
    await limited(ledger, jobs=1)
    await limited(ledger, jobs=9, asked="b2")  # its submitter was killed after the first chunk
    assert await numbers(ledger) == [1, 2]
    assert not await ledger.do(transitions.end_first("b1", FEW))


async def test_a_batch_that_settles_between_two_chunks_stays_limited(ledger: Ledger) -> None:
    await limited(ledger, jobs=2)
    await end(ledger, *(await claim(ledger)))
    assert (await ledger.queries.status("b1")).settled
    await limited(ledger, jobs=5, asked="b2")
    assert await numbers(ledger) == []
    assert await paused(ledger)


async def test_the_submission_with_fewer_jobs_leaves_no_limit_behind(ledger: Ledger) -> None:
    jobs = [new_job("k1"), new_job("k2")]
    for first in (2, 3):
        found = await submit(ledger, jobs, name="june", actor="ana", notify=lambda _: None, first=first)
        assert (await ledger.queries.status(found.batch)).first is None


async def test_a_submission_leaves_the_limit_of_a_later_one(ledger: Ledger) -> None:
    await limited(ledger, jobs=1)
    other = first_few(3, "bo", "s2")
    await ledger.do(transitions.open_batch("b9", "b1", {}, first=other))
    assert not await ledger.do(transitions.end_first("b1", FEW))
    assert await ledger.do(transitions.end_first("b1", other))


async def test_a_batch_that_is_gone_since_it_was_opened_is_limited_all_the_same(ledger: Ledger) -> None:
    lose_opened_batches(ledger)
    jobs = [new_job(f"k{n}") for n in range(5)]
    found = await submit(ledger, jobs, name="june", actor="ana", notify=lambda _: None, first=2)
    assert len(await claim(ledger, batch=found.batch)) == 2


async def test_dead_and_cancelled_jobs_are_not_sent_beside_the_first_few(ledger: Ledger) -> None:
    async def again(body: bytes, first: int | None) -> dict[Verdict, int]:
        jobs = [new_job("k1", body=body)]
        found = await submit(ledger, jobs, name="b1", actor="ana", notify=lambda _: None, first=first)
        return dict(found.verdicts)

    await fill(ledger, new_job("k1"))
    await end(ledger, *(await claim(ledger)), event=Event.REJECTED)
    assert await again(b'{"a":2}', 1) == {Verdict.ENDED: 1}
    assert await again(b'{"a":2}', None) == {Verdict.REDRIVEN: 1}


@pytest.mark.parametrize("first", [0, -1])
async def test_less_than_one_job_is_refused_before_anything_is_written(ledger: Ledger, first: int) -> None:
    with pytest.raises(InvalidInputError, match="first must be at least 1"):
        await submit(ledger, [new_job("k")], name="june", actor="ana", notify=lambda _: None, first=first)
    redis: Any = ledger.redis
    assert await redis.keys("*") == []
