"""Scenarios in which Redis goes away and comes back, and no worker is started anew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from chaos.load import jobs
from chaos.processes import Victim
from chaos.scenario import Scenario
from chaos.serving import Server
from chaos.stage import Stage
from chaos.valkey import Fsync
from chaos.verdict import Verdict

JOBS = 800
"""Some seconds of work for two workers."""

RINGS = 50
"""Rung right before the blow, so that it finds rings that no worker has acknowledged."""

RECONNECT_SECONDS = 40.0
"""Celery pauses up to 30 s between two tries to reach its broker, after a long absence."""


async def lose_redis(stage: Stage, end: Callable[[Stage], None], absent: float, *, times: int = 1) -> Verdict:
    """
    Redis ends in the middle of a batch and comes back after `absent` seconds, on the data it had.

    No process died, so nothing may be in doubt: every answer that came is recorded when Redis is back.
    """
    workers = [stage.worker(f"worker{n}", max_in_flight="30") for n in range(2)]
    await stage.up(*workers)
    batch = await stage.submit(jobs(JOBS))
    in_flight = 0
    back = time.monotonic()
    for blow in range(times):
        await stage.succeeded(batch, stage.random.randint(20, 120) + blow * JOBS // times)
        for _ in range(RINGS):
            stage.notify(batch)
        end(stage)
        in_flight += stage.in_flight
        await asyncio.sleep(absent)
        stage.valkey.start()
        back = time.monotonic()
    seconds = await stage.settled(batch, back)
    verdict = await stage.verdict(batch, JOBS, in_flight=in_flight, seconds=seconds)
    verdict.demand(verdict.in_doubt == 0, f"{verdict.in_doubt} in doubt, though nobody died")
    verdict.demand(verdict.succeeded == JOBS, f"only {verdict.succeeded} succeeded")
    await _hear_rings(stage, verdict, workers)
    return verdict


async def _hear_rings(stage: Stage, verdict: Verdict, workers: Sequence[Victim]) -> None:
    """
    After all that, Celery of every worker takes messages again, and none was ended for being slow about it.

    That it takes its time (up to 30 s between two tries) costs nothing: every engine looks for itself.
    """

    def reconnected() -> bool:
        if stage.rabbitmq is not None:
            return True  # that connection was never lost
        return all(worker.has_logged("Connected to redis", 2) for worker in workers if worker.alive)

    def submitted() -> Awaitable[str]:
        # After a restart Redis refuses new jobs until workers have restored theirs: the caller repeats them.
        return stage.submit(jobs(20, "later"), name="later")

    def taken() -> bool:
        return stage.waiting() == 0

    try:
        await stage.until(reconnected, "Celery had a connection again", RECONNECT_SECONDS)
        await stage.until(submitted, "Redis took jobs again", RECONNECT_SECONDS)
        await stage.until(taken, "the ring was taken", 10)
    except TimeoutError as error:
        verdict.problems.append(f"a consumer takes no messages any more: {error}")
    for worker in workers:
        verdict.demand(worker.alive, f"{worker.name} left with {worker.code}")


def _lost(
    name: str,
    claim: str,
    end: Callable[[Stage], None],
    absent: float,
    times: int = 1,
    fsync: Fsync = "everysec",
) -> Scenario:
    async def play(stage: Stage) -> Verdict:
        return await lose_redis(stage, end, absent, times=times)

    return Scenario(name, claim, play, server=Server(fsync))


def _stop(stage: Stage) -> None:
    stage.valkey.stop()


def _kill(stage: Stage) -> None:
    stage.valkey.kill()


SCENARIOS = (
    _lost("redis-sigterm", "Redis is restarted gracefully three times in one batch", _stop, 0.0, times=3),
    _lost("redis-sigkill", "Redis is killed and restarted, appendfsync always", _kill, 0.0, fsync="always"),
    _lost(
        "redis-sigkill-everysec",
        "Redis is killed and restarted, appendfsync everysec: a dead process, not a power cut",
        _kill,
        0.0,
    ),
    _lost("redis-absent", "Redis is unavailable for 3 s, longer than a lease", _stop, 3.0),
    _lost("redis-absent-20", "Redis is unavailable for 20 s", _stop, 20.0),
)
