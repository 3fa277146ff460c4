"""What somebody may wait for is in the stream of events once it is so, and not before."""

from __future__ import annotations

from typing import Any

import pytest

from provisioning import scopes
from provisioning.ledger import Hold, Ledger, Shown, keys, transitions
from provisioning.ledger.events import BEGINNING, Event
from provisioning.ledger.schema import EVENTS_KEPT, Happened
from provisioning.lifecycle import Event as Arrow
from tests.support.ledger_fixtures import LEASE, Clock, answer, claim, fill, new_job, say, send


async def happened(ledger: Ledger, batch: str = "b1") -> list[Happened | None]:
    """What has happened to a batch so far."""
    return [event.happened for event in (await ledger.events.after(BEGINNING, batch))[0]]


async def singles(ledger: Ledger, *names: str) -> None:
    """Jobs that came one at a time."""
    await ledger.do(transitions.open_batch("b1", "single", {"urgent": "1"}))
    await ledger.do(transitions.accept("b1", [new_job(name) for name in names], "ana"))


def brake(scope: str, kind: str = "brake") -> Hold:
    return Hold(scope=scope, at=1.0, by="w1", why="refused", kind=kind)


async def test_a_batch_settles_once_each_time_that_it_does(ledger: Ledger) -> None:
    await fill(ledger, new_job("k1"), new_job("k2"))
    first, second = await claim(ledger)
    for job in (first, second):
        await send(ledger, job)
    await say(ledger, answer(first, Arrow.CREATED))
    assert await happened(ledger) == []
    for _ in range(2):  # said twice
        await say(ledger, answer(second, Arrow.REJECTED))
    assert await happened(ledger) == [Happened.BATCH_SETTLED]
    await ledger.do(transitions.accept("b1", [new_job("k3")], "ana"))
    await ledger.do(transitions.cancel("b1", 1, 3, "ana"))
    assert await happened(ledger) == [Happened.BATCH_SETTLED] * 2


async def test_the_end_of_a_single_job_is_told_and_that_of_a_row_is_not(ledger: Ledger) -> None:
    await fill(ledger, new_job("row"), batch="b2")
    await ledger.do(transitions.cancel("b2", 1, 1, "ana"))
    await singles(ledger, "k1", "k2")
    first, second = await claim(ledger)
    for job in (first, second):
        await send(ledger, job)
    await say(ledger, answer(first, Arrow.DOUBTED), answer(second, Arrow.CREATED))
    await ledger.operations.resolve("b1", 1, created=True, actor="ana")
    events, last = await ledger.events.after(BEGINNING, "b1")
    assert [(event.happened, event.job) for event in events] == [
        (Happened.JOB_IN_DOUBT, 1),
        (Happened.JOB_SUCCEEDED, 2),
        (Happened.BATCH_SETTLED, None),
        (Happened.JOB_SUCCEEDED, 1),
        (Happened.ACT, None),
    ]
    assert await ledger.events.after(last, "b1") == ([], last)
    assert await happened(ledger, "b2") == [Happened.BATCH_SETTLED]


async def test_a_lapse_that_is_retried_is_no_end(ledger: Ledger, clock: Clock) -> None:
    await singles(ledger, "k1")
    [job] = await claim(ledger)
    await send(ledger, job)
    clock.advance(LEASE + 1)
    await ledger.do(transitions.rescue("b1", on_in_doubt="retry"))
    assert await happened(ledger) == []


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        (scopes.of_batch("b1"), True),
        (scopes.of_credential("acme"), True),
        (scopes.of_target("http://target"), True),
        (scopes.EVERYTHING, True),
        (scopes.of_batch("b2"), False),
        (scopes.of_credential("other"), False),
    ],
)
async def test_a_hold_is_told_to_the_batches_that_it_holds(ledger: Ledger, scope: str, *, told: bool) -> None:
    await fill(ledger, new_job("k1"))
    for _ in range(2):
        await ledger.do(transitions.hold(brake(scope)))
    await ledger.operations.release(scope, actor="ana")  # a brake waits for a probe
    await ledger.do(transitions.probe_result(scope, Shown.GOOD))
    braked, released = Happened.BATCH_BRAKED, Happened.BATCH_RELEASED
    found = [each for each in await happened(ledger) if each is not Happened.ACT]
    assert found == ([braked, released] if told else [])


@pytest.mark.parametrize(
    ("scope", "kind", "event"),
    [
        (scopes.of_credential("acme"), "brake", Happened.BATCH_BRAKED),
        (scopes.of_target("http://target"), "brake", Happened.BATCH_BRAKED),
        (scopes.EVERYTHING, "paused", Happened.BATCH_PAUSED),
        (scopes.of_batch("b1"), "paused", Happened.BATCH_PAUSED),
    ],
)
async def test_a_batch_that_comes_under_a_hold_is_told_so(
    ledger: Ledger, scope: str, kind: str, event: Happened
) -> None:
    await ledger.do(transitions.open_batch("b1", "b1", {}))
    await ledger.do(transitions.hold(brake(scope, kind)))
    before = len(await happened(ledger))
    for n in range(2):
        await ledger.do(transitions.accept("b1", [new_job(f"k{n}")], "ana"))
    assert (await happened(ledger))[before:] == [event]


async def test_a_credential_that_is_refused_in_mid_flight_brakes_the_batch_of_its_job(
    ledger: Ledger,
) -> None:
    await fill(ledger, new_job("k1"))
    [job] = await claim(ledger)
    await send(ledger, job)
    await ledger.do(transitions.hold(brake(scopes.of_credential("acme"))))
    assert await happened(ledger) == []  # nothing of it is kept back yet
    await say(ledger, answer(job, Arrow.REFUSED))
    assert await happened(ledger) == [Happened.BATCH_BRAKED]


async def test_a_stop_loss_stops_the_batch(ledger: Ledger) -> None:
    await fill(ledger, *(new_job(f"k{n}") for n in range(4)))
    jobs = (await claim(ledger))[:2]
    for job in jobs:
        await send(ledger, job)
    answers = [answer(job, Arrow.REJECTED, reason="bot_not_found") for job in jobs]
    await ledger.do(transitions.answered("b1", answers, stop_loss=2))
    assert await happened(ledger) == [Happened.BATCH_STOPPED]


async def test_a_persons_act_is_in_it(ledger: Ledger) -> None:
    await fill(ledger, new_job("k1"))
    await ledger.operations.hold(scopes.of_batch("b1"), actor="ana", justification="lunch")
    await ledger.operations.hold(scopes.EVERYTHING, actor="ana", justification="lunch")
    assert await happened(ledger) == [Happened.BATCH_PAUSED, Happened.ACT, Happened.BATCH_PAUSED]
    assert await happened(ledger, "") == [Happened.ACT]


async def test_it_is_bounded(ledger: Ledger) -> None:
    redis: Any = ledger.redis
    pipeline = redis.pipeline(transaction=False)
    for n in range(EVENTS_KEPT + 2000):
        pipeline.xadd(keys.EVENTS, {"event": "act", "batch": f"b{n}", "job": ""}, id=f"{n + 1}-0")
    await pipeline.execute()
    await fill(ledger, new_job("k1"))
    await ledger.do(transitions.cancel("b1", 1, 1, "ana"))
    assert EVENTS_KEPT <= await redis.xlen(keys.EVENTS) < EVENTS_KEPT + 200
    assert await happened(ledger) == [Happened.BATCH_SETTLED]


async def test_whoever_waits_is_given_what_comes(ledger: Ledger) -> None:
    await fill(ledger, new_job("k1"))
    last = await ledger.events.last()
    assert last == BEGINNING
    assert await ledger.events.wait(last, 0.001) == []
    await ledger.do(transitions.cancel("b1", 1, 1, "ana"))
    [event] = await ledger.events.wait(last, 5.0)
    assert event == Event(await ledger.events.last(), Happened.BATCH_SETTLED, "b1", None)


async def test_a_job_that_comes_to_rest_twice_in_a_call_is_told_once(ledger: Ledger, clock: Clock) -> None:
    await singles(ledger, "k1")
    [job] = await claim(ledger)
    await send(ledger, job)
    clock.advance(LEASE)
    await ledger.do(transitions.rescue("b1", on_in_doubt="hold"))
    before = [Happened.JOB_IN_DOUBT, Happened.BATCH_SETTLED]
    assert await happened(ledger) == before
    await say(ledger, answer(job, Arrow.DOUBTED))  # its doubt was known
    assert await happened(ledger) == before


async def test_what_only_a_newer_version_knows_is_passed_over(ledger: Ledger) -> None:
    redis: Any = ledger.redis
    newest = await redis.xadd(keys.EVENTS, {"event": "batch.renamed", "batch": "b1"})
    [event] = await ledger.events.wait(BEGINNING, 1.0)
    assert (event.id, event.happened) == (newest.decode(), None)


@pytest.mark.parametrize("protocol", [2, 3])
async def test_either_protocol_of_redis_brings_events(valkey_url: str, protocol: int) -> None:
    async with Ledger.at(f"{valkey_url}?protocol={protocol}") as ledger:
        await ledger.redis.flushall()
        await fill(ledger, new_job("k1"))
        assert await ledger.events.wait(BEGINNING, 0.01) == []
        await ledger.operations.cancel("b1", "ana")
        events = await ledger.events.wait(BEGINNING, 1.0)
        assert [event.happened for event in events] == [Happened.BATCH_SETTLED, Happened.ACT]
