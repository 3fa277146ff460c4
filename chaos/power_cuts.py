"""Scenarios in which the power of Redis' machine is cut: what it had synced is there, and nothing more."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress

from chaos.again import nothing_is_sent, price
from chaos.load import jobs
from chaos.scenario import Scenario
from chaos.serving import Server
from chaos.stage import Stage
from chaos.verdict import Verdict
from provisioning.errors import NotFoundError

JOBS = 1200
"""Some seconds of work for two workers."""

LATE = 200
"""Of them, handed over right before the cut."""

AFTER_SYNC = 0.6
"""Seconds from a sync to the cut: with `everysec` the next would come a second after it."""


async def cut_power_of_all(stage: Stage) -> Verdict:
    """Redis and workers are on one machine, as with the embedded Valkey; one is started with it again."""
    in_flight = await _cut(stage, workers_too=True)
    stage.worker("successor")
    return await _judged(stage, in_flight)


async def cut_power_of_redis(stage: Stage) -> Verdict:
    """Workers are elsewhere and go on: nobody died who knew something, so nothing may be in doubt."""
    in_flight = await _cut(stage, workers_too=False)
    verdict = await _judged(stage, in_flight)
    verdict.demand(verdict.in_doubt == 0, f"{verdict.in_doubt} in doubt, though no worker died")
    verdict.demand(verdict.succeeded == JOBS, f"only {verdict.succeeded} succeeded")
    return verdict


async def cut_power_of_everysec(stage: Stage) -> Verdict:
    """The workers are elsewhere: they tell Redis what it has lost of theirs."""
    return await _price(stage, await _cut(stage, workers_too=False))


async def cut_power_of_everysec_and_all(stage: Stage) -> Verdict:
    """The same where the workers lose power as well: nobody is left who could tell Redis what it has lost."""
    in_flight = await _cut(stage, workers_too=True)
    stage.worker("successor")
    return await _price(stage, in_flight)


async def _price(stage: Stage, in_flight: int) -> Verdict:
    """
    What was acknowledged in the last second is gone; it is measured what that costs.

    Where the batch itself was accepted in that second, nothing can settle before the file comes again.
    """
    began = time.monotonic()
    seconds = 0.0
    with suppress(NotFoundError):
        batch = await stage.ledger.queries.batch_id("tenants")
        seconds = await stage.settled(batch, began)
    return await price(stage, JOBS, in_flight=in_flight, seconds=seconds)


async def _cut(stage: Stage, *, workers_too: bool) -> int:
    """
    The power goes in the middle of a batch, right behind the acceptance of its last rows, and comes back.

    Returns: POSTs in flight.
    """
    workers = [stage.worker(f"worker{n}", max_in_flight="30") for n in range(2)]
    await stage.up(*workers)
    batch = await stage.submit(jobs(JOBS - LATE))
    await stage.succeeded(batch, stage.random.randint(100, 200))
    seen = stage.valkey.syncs()
    await stage.until(lambda: stage.valkey.syncs() > seen, "it has synced once more")
    await asyncio.sleep(AFTER_SYNC)
    await stage.submit(jobs(JOBS))
    stage.valkey.kill()
    if workers_too:
        for worker in workers:
            worker.signal(signal.SIGKILL)
            await worker.gone(5)
    in_flight = sum(worker.in_flight for worker in workers)
    stage.valkey.cut_power()
    stage.valkey.start()

    async def there() -> bool:
        return bool(await stage.redis.ping())

    await stage.until(there, "Redis is reached again")
    return in_flight


async def _judged(stage: Stage, in_flight: int) -> Verdict:
    began = time.monotonic()
    batch = await stage.ledger.queries.batch_id("tenants")
    seconds = await stage.settled(batch, began)
    verdict = await stage.verdict(batch, JOBS, in_flight=in_flight, seconds=seconds)
    await nothing_is_sent(stage, verdict, JOBS)
    return verdict


SCENARIOS = (
    Scenario(
        "power-cut-embedded",
        "the power of a machine with the embedded Valkey and its workers is cut",
        cut_power_of_all,
        server=Server("embedded", watched=True),
    ),
    Scenario(
        "power-cut-always",
        "the power of Redis' machine is cut, appendfsync always; workers are elsewhere",
        cut_power_of_redis,
        server=Server("always", watched=True),
    ),
    Scenario(
        "power-cut-everysec",
        "the power of Redis' machine is cut, appendfsync everysec; workers are elsewhere",
        cut_power_of_everysec,
        server=Server("everysec", watched=True),
        priced=True,
    ),
    Scenario(
        "power-cut-everysec-of-all",
        "the power of a machine with Redis and its workers is cut, appendfsync everysec",
        cut_power_of_everysec_and_all,
        server=Server("everysec", watched=True),
        priced=True,
    ),
)
