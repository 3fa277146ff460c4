"""Scenarios that meddle with messages: wiped, doubled, late. The doorbell may lie; the ledger decides."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from chaos.load import jobs
from chaos.scenario import Scenario
from chaos.stage import Stage
from chaos.verdict import Verdict

JOBS = 400
QUEUE = "celery"
"""Celery's own name for its list of messages."""


async def wipe_broker(stage: Stage) -> Verdict:
    """Every key that is not the ledger's is deleted, ten times in one batch, and once before the next."""
    workers = [stage.worker(f"worker{n}", max_in_flight="10") for n in range(2)]
    await stage.up(*workers)
    batch = await stage.submit(jobs(JOBS))
    wiped = 0
    for _ in range(10):
        wiped += await _wipe(stage)
        await asyncio.sleep(0.1)
    in_flight = stage.in_flight
    began = time.monotonic()
    second = await stage.submit(jobs(20, "later"), name="later")
    wiped += await _wipe(stage)
    later = await stage.settled(second, began)
    await stage.settled(batch, began)
    verdict = await stage.verdict(batch, JOBS, in_flight=in_flight, seconds=later)
    _all_succeeded(verdict)
    verdict.demand(wiped > 0, "there was nothing to wipe")
    verdict.demand(later < 10, f"a batch whose ring was wiped took {later:.1f} s")
    return verdict


async def double_messages(stage: Stage) -> Verdict:
    """Every message lies in the queue five times before three workers come up."""
    batch = await stage.submit(jobs(JOBS))
    for message in await _messages(stage):
        for _ in range(4):
            await _push(stage, message)
    waiting = len(await _messages(stage))
    began = time.monotonic()
    workers = [stage.worker(f"worker{n}") for n in range(3)]
    await stage.up(*workers)
    for _ in range(50):
        stage.notify(batch)
    seconds = await stage.settled(batch, began)
    verdict = await stage.verdict(batch, JOBS, in_flight=0, seconds=seconds)
    _all_succeeded(verdict)
    verdict.demand(waiting >= 5, f"only {waiting} messages lay in the queue")
    return verdict


async def ring_late(stage: Stage) -> Verdict:
    """A ring comes when its batch has long been settled, another for a batch that nobody knows."""
    batch = await stage.submit(jobs(JOBS))
    old = await _messages(stage)
    worker = stage.worker("worker")
    await stage.up(worker)
    await stage.settled(batch, time.monotonic())
    before = await stage.status(batch)
    posts = stage.sandbox.stats()["posts"]
    began = time.monotonic()
    for message in old:
        await _push(stage, message)
    stage.notify("bnobody")
    stage.notify("}:jobs{")  # no id that we make

    async def taken() -> bool:
        return not await _messages(stage)

    await stage.until(taken, "the late rings are taken", 10)
    after = await stage.submit(jobs(20, "later"), name="later")
    seconds = await stage.settled(after, began)
    verdict = await stage.verdict(batch, JOBS, in_flight=0, seconds=seconds)
    _all_succeeded(verdict)
    verdict.demand(bool(old), "there was no ring to deliver late")
    verdict.demand(await stage.status(batch) == before, "the late ring has moved the batch")
    verdict.demand(stage.sandbox.stats()["posts"] == posts + 20, "the late rings have caused POSTs")
    verdict.demand(worker.alive, f"the worker left with {worker.code}")
    redis: Any = stage.redis
    strange = [key for key in await redis.keys("pv:*") if b"bnobody" in key or b"}:jobs{" in key]
    verdict.demand(not strange, f"rings for unknown batches left keys: {strange}")
    return verdict


async def run_twins(stage: Stage) -> Verdict:
    """Two workers of the same name, as two containers with the same host name and pid have it."""
    workers = [stage.worker(f"twin{n}", node="twin@host") for n in range(2)]
    await stage.up(*workers)
    began = time.monotonic()
    batch = await stage.submit(jobs(JOBS))
    seconds = await stage.settled(batch, began)
    verdict = await stage.verdict(batch, JOBS, in_flight=0, seconds=seconds)
    _all_succeeded(verdict)
    return verdict


async def _wipe(stage: Stage) -> int:
    """Deletes what is Celery's. Returns: how many keys that were."""
    redis: Any = stage.redis
    theirs = [key for key in await redis.keys("*") if not key.startswith(b"pv:")]
    return int(await redis.delete(*theirs)) if theirs else 0


async def _messages(stage: Stage) -> list[bytes]:
    redis: Any = stage.redis
    return list(await redis.lrange(QUEUE, 0, -1))


async def _push(stage: Stage, message: bytes) -> None:
    redis: Any = stage.redis
    await redis.lpush(QUEUE, message)


def _all_succeeded(verdict: Verdict) -> None:
    verdict.demand(verdict.succeeded == JOBS, f"only {verdict.succeeded} of {JOBS} succeeded")


IN_REDIS = (
    Scenario("broker-wiped", "every broker key is deleted again and again in one batch", wipe_broker),
    Scenario("messages-doubled", "every message is delivered five times, to three workers", double_messages),
    Scenario(
        "ring-late", "a notification comes after its batch has settled, or for an unknown batch", ring_late
    ),
)
"""They reach into the lists that are Celery's queues on Redis."""

SCENARIOS = (*IN_REDIS, Scenario("twin-workers", "two workers have the same name", run_twins))
