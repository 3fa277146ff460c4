"""Scenarios in which Redis is there and refuses, or a firewall forgets the way to it, and nobody dies."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from chaos.load import jobs
from chaos.scenario import Scenario
from chaos.stage import Stage
from chaos.verdict import Verdict
from provisioning.errors import LedgerUnavailableError
from provisioning.job import NewJob
from tests.support.wire import wire

JOBS = 600

Blow = Callable[[Stage], Awaitable[Callable[[], Awaitable[object]]]]
"""Has Redis refuse. Returns: what ends that."""

SIGN_UPS = 20
"""Messages of `provision.submit` on each cut."""

CUTS = 2


async def refuse(stage: Stage, blow: Blow, seconds: float) -> Verdict:
    """Redis refuses for a while in the middle of a batch; every answer that comes meanwhile is held."""
    workers = [stage.worker(f"worker{n}", max_in_flight="30") for n in range(2)]
    await stage.up(*workers)
    batch = await stage.submit(jobs(JOBS))
    await stage.succeeded(batch, stage.random.randint(20, 120))
    in_flight = stage.in_flight
    end = await blow(stage)
    await asyncio.sleep(seconds)
    await end()
    seconds = await stage.settled(batch, time.monotonic())
    verdict = await stage.verdict(batch, JOBS, in_flight=in_flight, seconds=seconds)
    _nobody_died(verdict, workers)
    return verdict


async def replica(stage: Stage) -> Callable[[], Awaitable[object]]:
    redis: Any = stage.redis
    await redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    return lambda: redis.execute_command("REPLICAOF", "NO", "ONE")


async def full_memory(stage: Stage) -> Callable[[], Awaitable[object]]:
    redis: Any = stage.redis
    await redis.config_set("maxmemory", 1)
    return lambda: redis.config_set("maxmemory", 0)


async def full_disk(stage: Stage) -> Callable[[], Awaitable[object]]:
    """A snapshot fails, and with it every write."""
    redis: Any = stage.redis
    away, before = stage.folder / "away", (await redis.config_get("dir"))["dir"]
    await asyncio.to_thread(away.mkdir)
    await redis.config_set("dir", str(away))
    await redis.config_set("save", "1 1")
    await asyncio.to_thread(Path.rmdir, away)

    async def refuses() -> bool:
        try:
            await redis.set("x", 1)
        except LedgerUnavailableError:
            return True
        return False

    await stage.until(refuses, "a snapshot has failed")

    async def end() -> None:
        await redis.config_set("dir", before)
        await redis.config_set("save", "")
        await redis.delete("x")

    return end


async def cut_silently(stage: Stage) -> Verdict:
    """
    A firewall forgets all connections of two workers, twice, while sign-ups come as messages.

    New connections pass. Each sign-up must become a job, whichever connection its message was on.
    """
    work: list[NewJob] = []
    with wire(stage.valkey.port) as wall:
        workers = [stage.worker(f"worker{n}", redis_url=wall.url) for n in range(2)]
        await stage.up(*workers)
        for cut in range(CUTS):
            wall.forget()
            more = jobs(SIGN_UPS, f"cut{cut}")
            for job in more:
                stage.sign_up(job, "tenants")
            work += more
            count = len(work)

            async def taken_in(count: int = count) -> bool:
                batches = {each.name: each async for each in stage.ledger.queries.batches()}
                return "tenants" in batches and batches["tenants"].accepted == count

            await stage.until(taken_in, f"{count} sign-ups are in the ledger", 120)
        batch = await stage.ledger.queries.batch_id("tenants")
        seconds = await stage.settled(batch, time.monotonic())
        verdict = await stage.verdict(batch, work, in_flight=0, seconds=seconds)
        verdict.demand(verdict.succeeded == len(work), f"only {verdict.succeeded} succeeded")
        for worker in workers:
            verdict.demand(worker.alive, f"{worker.name} left with {worker.code}")
    return verdict


async def stop_at_once(stage: Stage) -> Verdict:
    """One worker after the other is told to stop a tenth of a second later in its life, and leaves with 0."""
    batch = await stage.submit(jobs(JOBS))
    codes = []
    in_flight = 0
    for tenth in range(18):
        worker = stage.worker(f"brief{tenth}")
        await stage.until(partial(worker.catches, signal.SIGTERM), "it has a handler", pause=0.005)
        await asyncio.sleep(tenth / 10)
        in_flight += worker.in_flight
        worker.signal(signal.SIGTERM)
        codes.append(await worker.gone(10))
    await stage.up(stage.worker("worker"))
    seconds = await stage.settled(batch, time.monotonic())
    verdict = await stage.verdict(batch, JOBS, in_flight=in_flight, seconds=seconds)
    verdict.demand(verdict.in_doubt == 0, f"{verdict.in_doubt} in doubt, though none was killed")
    verdict.demand(verdict.succeeded == JOBS, f"only {verdict.succeeded} succeeded")
    verdict.demand(not any(codes), f"they left with {codes}")
    return verdict


def _nobody_died(verdict: Verdict, workers: list[Any]) -> None:
    verdict.demand(verdict.in_doubt == 0, f"{verdict.in_doubt} in doubt, though nobody died")
    verdict.demand(verdict.succeeded == JOBS, f"only {verdict.succeeded} succeeded")
    for worker in workers:
        verdict.demand(worker.alive, f"{worker.name} left with {worker.code}")


def _refused(name: str, claim: str, blow: Blow, seconds: float) -> Scenario:
    async def play(stage: Stage) -> Verdict:
        return await refuse(stage, blow, seconds)

    return Scenario(name, claim, play)


SCENARIOS = (
    _refused(
        "redis-replica", "Redis becomes a replica for 5 s, as in a failover, connections open", replica, 5.0
    ),
    _refused("redis-disk-full", "Redis refuses all writes for 15 s: its disk is full", full_disk, 15.0),
    _refused(
        "redis-memory-full", "Redis refuses all writes that need memory for 5 s: it is full", full_memory, 5.0
    ),
    Scenario(
        "silent-cut", "a firewall drops the workers' connections while single jobs arrive", cut_silently
    ),
    Scenario("stop-at-once", "workers are stopped in their first two seconds", stop_at_once),
)
