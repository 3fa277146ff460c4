"""Scenarios in which RabbitMQ, as broker, goes away and comes back. The ledger's Valkey stays up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from chaos.load import jobs
from chaos.scenario import Scenario
from chaos.stage import Stage
from chaos.verdict import Verdict
from tests.support.rabbitmq import RabbitMq

JOBS = 1500
"""Some seconds of work for two workers of `SLOTS`."""

SLOTS = "20"

QUEUE_AGE_SECONDS = 3.0
"""RabbitMQ 3.10 loses a quorum queue for good when it is killed in the second in which it made it."""

RECONNECT_SECONDS = 45.0
"""Celery pauses up to 30 s between two tries to reach its broker, after a long absence."""


async def lose_rabbitmq(
    stage: Stage, hurt: Callable[[RabbitMq], None], mend: Callable[[RabbitMq], None], absent: float
) -> Verdict:
    """
    RabbitMQ goes in the middle of a batch and is back after `absent` seconds.

    The ledger is there throughout, so the work goes on: the batch settles, and a batch that is handed over
    meanwhile, which nobody can be rung for, settles too. No worker ends, and all of them hear rings again.
    """
    assert stage.rabbitmq is not None
    workers = [stage.worker(f"worker{n}", max_in_flight=SLOTS) for n in range(2)]
    await stage.up(*workers)
    batch = await stage.submit(jobs(JOBS))
    await asyncio.sleep(QUEUE_AGE_SECONDS)
    await stage.succeeded(batch, stage.random.randint(20, 120))
    hurt(stage.rabbitmq)
    began = time.monotonic()
    in_flight = stage.in_flight
    try:
        unrung = await stage.submit(jobs(20, "unrung"), name="unrung", notify=False)
        seconds = max(await stage.settled(unrung, began), await stage.settled(batch, began))
        await asyncio.sleep(max(0.0, began + absent - time.monotonic()))
    finally:
        mend(stage.rabbitmq)
    verdict = await stage.verdict(batch, JOBS, in_flight=in_flight, seconds=seconds)
    verdict.demand(verdict.in_doubt == 0, f"{verdict.in_doubt} in doubt, though nobody died")
    verdict.demand(verdict.succeeded == JOBS, f"only {verdict.succeeded} succeeded")
    await _hear_rings(stage, verdict)
    for worker in workers:
        verdict.demand(worker.alive, f"{worker.name} left with {worker.code}")
    return verdict


async def _hear_rings(stage: Stage, verdict: Verdict) -> None:
    later = await stage.submit(jobs(20, "later"), name="later")
    for _ in range(20):
        stage.notify(later)  # more than one worker is handed at a time

    def taken() -> bool:
        return stage.waiting() == 0

    try:
        await stage.until(taken, "the rings were taken", RECONNECT_SECONDS)
    except TimeoutError as error:
        verdict.problems.append(f"no consumer takes messages any more: {error}")


def _stop(rabbitmq: RabbitMq) -> None:
    rabbitmq.stop()


def _kill(rabbitmq: RabbitMq) -> None:
    rabbitmq.kill()


def _wipe(rabbitmq: RabbitMq) -> None:
    rabbitmq.kill()
    rabbitmq.wipe()


def _freeze(rabbitmq: RabbitMq) -> None:
    rabbitmq.freeze()


def _thaw(rabbitmq: RabbitMq) -> None:
    rabbitmq.thaw()


def _start(rabbitmq: RabbitMq) -> None:
    rabbitmq.start()


def _lost(
    name: str,
    claim: str,
    hurt: Callable[[RabbitMq], None],
    mend: Callable[[RabbitMq], None] = _start,
    absent: float = 0.0,
) -> Scenario:
    async def play(stage: Stage) -> Verdict:
        return await lose_rabbitmq(stage, hurt, mend, absent)

    return Scenario(name, claim, play)


SCENARIOS = (
    _lost("rabbitmq-sigterm", "RabbitMQ is restarted in good order in one batch", _stop),
    _lost("rabbitmq-sigkill", "RabbitMQ is killed and started again on its data", _kill),
    _lost("rabbitmq-wiped", "RabbitMQ is killed and comes back with nothing that it had", _wipe),
    _lost(
        "rabbitmq-frozen",
        "RabbitMQ answers nobody for 20 s, with every connection open",
        _freeze,
        _thaw,
        20.0,
    ),
    _lost(
        "rabbitmq-absent-45", "RabbitMQ is away for 45 s, longer than a watchdog waits", _kill, absent=45.0
    ),
)
