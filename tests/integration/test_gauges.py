"""What the server reads of the ledger beside the sums: ages, holds, workers, paces; and how often it does."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import SecretStr

from api import gauges
from api.gauges import Collected, Reading, Readings, samples
from provisioning import scopes
from provisioning.config.settings import Settings
from provisioning.errors import LedgerUnavailableError
from provisioning.health.liveness import ALIVE_WITHIN
from provisioning.learned_rate import LearnedRate
from provisioning.ledger import Deferral, Hold, Ledger, Outage, WorkerSign, keys, transitions
from provisioning.ledger.gauges import PACES, read_gauges
from provisioning.lifecycle import Event
from provisioning.messages import QUEUE, UNACKNOWLEDGED
from provisioning.pace import Rate
from tests.support.ledger_fixtures import TARGET, Clock, answer, claim, fill, new_job, say, send

DOWN = Outage(certain=False, since=0.0, cause="http_503", next_probe=1.0)
SETTINGS = Settings(redis_url=SecretStr("redis://somewhere"), rate=Rate(5.0))


@pytest.fixture(autouse=True)
def _now(clock: Clock) -> None:
    """The ledger's clock is Redis' own here: ages are told by that."""
    clock.now = round(time.time(), 3)


async def test_the_oldest_is_the_one_ready_for_longest_whatever_its_credential(
    ledger: Ledger, clock: Clock
) -> None:
    clock.advance(-500)
    await fill(ledger, new_job("old", "globex"), batch="b1")
    clock.advance(400)
    await fill(ledger, new_job("young", "acme"), batch="b2")
    assert (await read_gauges(ledger)).oldest == pytest.approx(500, abs=30)
    await claim(ledger, batch="b1")
    assert (await read_gauges(ledger)).oldest == pytest.approx(100, abs=30)
    await claim(ledger, batch="b2")
    assert (await read_gauges(ledger)).oldest == 0


async def test_a_job_whose_time_has_come_unnoticed_is_as_old_as_that(ledger: Ledger, clock: Clock) -> None:
    clock.advance(-1000)
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await ledger.do(transitions.deferred("b1", [Deferral(job.number, job.token, 700.0, "retry_after")]))
    assert (await read_gauges(ledger)).oldest == pytest.approx(300, abs=30)


async def test_a_job_that_waits_for_its_time_is_not_old(ledger: Ledger, clock: Clock) -> None:
    clock.advance(-1000)
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await ledger.do(transitions.deferred("b1", [Deferral(job.number, job.token, 5000.0, "retry_after")]))
    read = await read_gauges(ledger)
    assert (read.oldest, read.sums.counts["waiting"]) == (0, 1)


async def test_the_oldest_doubt_is_told_and_forgotten_when_it_is_settled(
    ledger: Ledger, clock: Clock
) -> None:
    await fill(ledger, new_job("k1"), new_job("k2"))
    one, two = await claim(ledger)
    for ago, job in ((400, one), (200, two)):
        await send(ledger, job)
        clock.advance(-ago)
        await say(ledger, answer(job, Event.DOUBTED, reason="read_timeout"))
        clock.advance(ago)
    assert (await read_gauges(ledger)).oldest_doubt == pytest.approx(400, abs=30)
    await ledger.operations.resolve("b1", one.number, created=True, actor="ana")
    assert (await read_gauges(ledger)).oldest_doubt == pytest.approx(200, abs=30)


async def test_holds_are_told_by_kind_and_never_by_name(ledger: Ledger, clock: Clock) -> None:
    await ledger.operations.hold(scopes.of_batch("secret"), actor="ana", justification="secret")
    await ledger.operations.hold(scopes.of_credential("secret"), actor="ana", justification="secret")
    await ledger.operations.hold(scopes.of_credential("secret2"), actor="ana", justification="secret")
    brake = Hold(scope=scopes.of_target(TARGET), at=clock.now, by="w", why="secret", kind="brake")
    await ledger.do(transitions.hold(brake))
    shown = samples(Reading(await read_gauges(ledger), 0.1, 0), SETTINGS)
    on = {labels: count for labels, count in shown[gauges.HOLDS].items() if count}
    assert on == {
        ("paused", "batch", "false"): 1,
        ("paused", "credential", "false"): 2,
        ("brake", "target", "false"): 1,
    }
    registry = CollectorRegistry()
    registry.register(Collected(shown))
    text = generate_latest(registry).decode()
    assert "secret" not in text
    assert TARGET not in text


async def test_only_workers_that_live_are_counted(ledger: Ledger) -> None:
    for name, ago in (("w1", 0.0), ("w2", 1.0), ("gone", ALIVE_WITHIN + 60)):
        sign = WorkerSign(name=name, at=0.0, in_flight=3, limit=32, in_hand=5, refused=ago / 10, outage=DOWN)
        await ledger.redis.zadd(keys.WORKERS, {name: (time.time() - ago) * 1000})
        await ledger.redis.hset(keys.WORKER_SIGNS, name, msgspec.json.encode(sign).decode())
    shown = samples(Reading(await read_gauges(ledger), 0.1, 0), SETTINGS)
    found = (gauges.WORKERS, gauges.IN_FLIGHT, gauges.LIMIT, gauges.IN_HAND, gauges.REFUSED_SHARE)
    assert [shown[metric][()] for metric in found] == [2, 6, 64, 10, 0.1]
    assert shown[gauges.OUTAGE] == {("false",): 2, ("true",): 0}


async def test_rates_that_429s_have_taught_are_told_while_they_are_in_force(ledger: Ledger) -> None:
    for name, rate in (("acme", 48.9), ("noisy", 0.0)):
        learned = LearnedRate(rate, 48.9, 0.0, 1.0)
        await ledger.redis.hset(keys.LEARNED, name, msgspec.json.encode(learned).decode())
    assert (await read_gauges(ledger)).learned == {"acme": 48.9}


async def test_paces_are_told_of_a_few_credentials(ledger: Ledger) -> None:
    await ledger.operations.set_pace("acme", Rate(20.0), actor="ana")
    await ledger.operations.set_pace("globex", Rate(None), actor="ana")
    assert (await read_gauges(ledger)).paces == {"acme": 20.0, "globex": math.inf}
    for n in range(2 * PACES):
        await ledger.redis.hset(keys.RATES, f"company-{n:03}", Rate(5.0).word)
    assert len((await read_gauges(ledger)).paces) == PACES


async def test_a_broker_of_its_own_is_not_taken_for_the_ledgers_redis(ledger: Ledger) -> None:
    await ledger.redis.lpush(QUEUE, "somebody's")

    def away() -> int:
        raise LedgerUnavailableError("the broker cannot be reached")

    await ledger.redis.hset(UNACKNOWLEDGED, mapping={"t1": "{}", "t2": "{}"})
    cases: Any = ((None, {(): 1}, {(): 2}), (lambda: 7, {(): 7}, {}), (away, {}, {}))
    for waiting, told, taken in cases:
        reading = await Readings(ledger, waiting).latest()
        assert samples(reading, SETTINGS)[gauges.MESSAGES] == told
        assert samples(reading, SETTINGS)[gauges.TAKEN] == taken


async def test_all_who_ask_at_once_share_one_reading(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    readings = Readings(ledger)
    found = await asyncio.gather(*(readings.latest() for _ in range(20)))
    assert all(reading is found[0] for reading in found)
    monkeypatch.setattr(gauges, "FRESH_FOR", -1.0)
    other = Readings(ledger)
    assert await other.latest() is not await other.latest()
