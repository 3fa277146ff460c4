"""Scenarios in which a replica takes over: one that lags, and one whose former primary goes on alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chaos.again import nothing_is_sent, price
from chaos.load import jobs
from chaos.scenario import Scenario
from chaos.serving import Server
from chaos.stage import Stage
from chaos.valkey import Valkey
from chaos.verdict import Verdict
from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import Ledger, transitions
from tests.support.replicas import info
from tests.support.wire import wire

JOBS = 1200
"""Some seconds of work for two workers."""

SLOTS = "40"

LAG = 0.6
"""Seconds for which no replica has heard of anything when the primary dies."""

BETWEEN = 0.3
"""Seconds by which one replica falls behind before the other, so that one of them is further."""

ON_THEIR_WAY = 1.0
"""Seconds after a partition in which what was confirmed before may still be sent: far more than it takes."""

APART = 30.0
"""Seconds within which the other part is done; the leases of the parted worker's jobs lapse first."""


async def fail_over_with_lag(stage: Stage) -> Verdict:
    """The primary dies when its replicas lag; nobody else died, so nothing may be in doubt."""
    in_flight, seconds = await _fail_over(stage)
    batch = await stage.ledger.queries.batch_id("tenants")
    verdict = await stage.verdict(batch, JOBS, in_flight=in_flight, seconds=seconds)
    _all_succeeded(verdict)
    await nothing_is_sent(stage, verdict, JOBS)
    return verdict


async def fail_over_unconfirmed(stage: Stage) -> Verdict:
    """The same, and no replica was asked to confirm anything; it is measured what that costs."""
    in_flight, seconds = await _fail_over(stage)
    return await price(stage, JOBS, in_flight=in_flight, seconds=seconds)


async def _fail_over(stage: Stage) -> tuple[int, float]:
    """Returns: POSTs in flight when the primary died, and seconds until the batch was settled."""
    replicas = stage.replicas
    await stage.up(*(stage.worker(f"worker{n}", max_in_flight=SLOTS) for n in range(2)))
    batch = await stage.submit(jobs(JOBS))
    await stage.succeeded(batch, stage.random.randint(100, 200))
    first, second = stage.random.sample(replicas.links, 2)
    first.stall()
    await asyncio.sleep(BETWEEN)
    second.stall()
    await asyncio.sleep(LAG)
    in_flight = stage.in_flight
    began = time.monotonic()
    await replicas.fail_over()
    return in_flight, await stage.settled(batch, began)


async def fail_over_by_sentinels(stage: Stage) -> Verdict:
    """The primary dies, Sentinels make another, which all find by asking them, and the dead one returns."""
    await stage.up(*(stage.worker(f"worker{n}", max_in_flight=SLOTS) for n in range(2)))
    batch = await stage.submit(jobs(JOBS))
    await stage.succeeded(batch, stage.random.randint(100, 200))
    in_flight = stage.in_flight
    dead = stage.sentinels.kill_primary()
    began = time.monotonic()
    await stage.until(lambda: stage.sentinels.primary() != dead, "there is another primary")
    stage.sentinels.start_server(dead)
    seconds = await stage.settled(batch, began)
    verdict = await stage.verdict(batch, JOBS, in_flight=in_flight, seconds=seconds)
    _all_succeeded(verdict)
    for worker in stage.workers:
        verdict.demand(worker.alive, f"{worker.name} left with {worker.code}")
    await nothing_is_sent(stage, verdict, JOBS)
    return verdict


async def part_the_primary(stage: Stage) -> Verdict:
    """
    The parted worker sends nothing, an acceptance by its primary is not told as one, and nothing is in doubt.

    When the parts meet again, the answers that the parted worker holds settle the doubts about them.
    """
    async with _parted(stage) as parted:
        batch = await stage.ledger.queries.batch_id("tenants")
        verdict = await stage.verdict(batch, JOBS, in_flight=parted.in_flight, seconds=parted.seconds)
        _all_succeeded(verdict)
        verdict.demand(parted.written > 0, "the former primary took no writes alone")
        verdict.demand(parted.sent == 0, f"the parted worker sent {parted.sent} bytes to the API")
        verdict.demand(not parted.accepted_reply, "the parted primary told a row accepted")
        for worker in stage.workers:
            verdict.demand(worker.alive, f"{worker.name} left with {worker.code}")
        await nothing_is_sent(stage, verdict, JOBS)
        return verdict


async def part_unconfirmed(stage: Stage) -> Verdict:
    """The same, and no replica was asked to confirm anything; it is measured what that costs."""
    async with _parted(stage) as parted:
        return await price(stage, JOBS, in_flight=parted.in_flight, seconds=parted.seconds)


@dataclass(frozen=True, slots=True)
class _Parted:
    """
    What went on in the part of the former primary.

    Attributes:
        in_flight: POSTs of both parts when the network broke.
        written: bytes of replication that the former primary made alone.
        sent: bytes that the worker there sent to the API.
        told: whether a producer there was told that its row is accepted.
        seconds: until the batch was settled.
    """

    in_flight: int
    written: int
    sent: int
    accepted_reply: bool
    seconds: float


@asynccontextmanager
async def _parted(stage: Stage) -> AsyncIterator[_Parted]:
    """
    The primary is parted from its replicas together with one worker, and goes on taking that worker's writes.

    A replica becomes primary for all others; when they have done what they can, the parts meet again.
    """
    replicas = stage.replicas
    former = replicas.primary
    host, port = stage.sandbox.address
    with wire(former.port) as aside, wire(port) as api:
        url = f"http://{host}:{api.port}"
        parted = stage.worker("parted", max_in_flight=SLOTS, redis_url=aside.url, api_url=url)
        await stage.up(parted, stage.worker("other", max_in_flight=SLOTS))
        batch = await stage.submit(jobs(JOBS))
        await stage.succeeded(batch, stage.random.randint(100, 200))
        replicas.part()
        began = time.monotonic()
        in_flight = stage.in_flight
        written = await _written(former)
        await replicas.promote()
        await asyncio.sleep(ON_THEIR_WAY)
        sent = api.sent
        accepted_reply = await _was_accepted(aside.url, stage.ledger.replicas)

        async def others_are_done() -> bool:
            return (await stage.status(batch)).settled

        await stage.until(others_are_done, "the other part has done what it could", APART)
        sent = api.sent - sent
        written = await _written(former) - written
        await replicas.follow(former, replicas.primary.port)
        aside.lead_to(replicas.primary.port)
        aside.cut()
        seconds = await stage.settled(batch, began)
        yield _Parted(in_flight, written, sent, accepted_reply, seconds)


async def _written(server: Valkey) -> int:
    return int((await info(server))["master_repl_offset"])


async def _was_accepted(url: str, confirming: int) -> bool:
    async with Ledger.at(url, replicas=confirming) as ledger:
        try:
            await ledger.do(transitions.open_batch("parted", "parted", {}))
            await ledger.do(transitions.accept("parted", jobs(1, "parted"), "chaos"))
        except LedgerUnavailableError:
            return False
    return True


def _all_succeeded(verdict: Verdict) -> None:
    verdict.demand(verdict.in_doubt == 0, f"{verdict.in_doubt} in doubt, though no worker died")
    verdict.demand(verdict.succeeded == JOBS, f"only {verdict.succeeded} succeeded")


SCENARIOS = (
    Scenario(
        "failover-lagging-replica",
        "a replica that lags takes over, one of two must confirm",
        fail_over_with_lag,
        server=Server("always", confirming=1),
    ),
    Scenario(
        "failover-unconfirmed",
        "a replica that lags takes over, and none must confirm",
        fail_over_unconfirmed,
        server=Server("always", confirming=0),
        priced=True,
    ),
    Scenario(
        "failover-sentinel",
        "Sentinels make a replica primary, one of two must confirm",
        fail_over_by_sentinels,
        server=Server("always", confirming=1, guarded=True),
    ),
    Scenario(
        "partitioned-old-primary",
        "a primary without its replicas continues, a replica has taken its place",
        part_the_primary,
        server=Server("always", confirming=1),
    ),
    Scenario(
        "partitioned-unconfirmed",
        "a primary without its replicas continues, and none must confirm",
        part_unconfirmed,
        server=Server("always", confirming=0),
        priced=True,
    ),
)
