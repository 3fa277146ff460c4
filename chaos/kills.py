"""Scenarios that kill a process at a named checkpoint, or at random."""

from __future__ import annotations

import asyncio
import signal
import time

from chaos.checkpoints import SUBMITTER, WORKER, Checkpoint
from chaos.load import jobs
from chaos.processes import Victim
from chaos.scenario import Scenario
from chaos.stage import Stage
from chaos.verdict import Verdict

JOBS = 300
"""Two or three seconds of work for one worker: long enough to be hit in the middle."""

CHUNKED = 1200
"""Three chunks of a submission."""


async def kill_worker(stage: Stage, checkpoint: Checkpoint, others: int) -> Verdict:
    """A worker dies at a checkpoint; a healthy one follows, or `others` were at work beside it."""
    nth = stage.random.randint(*checkpoint.nth)
    victim = stage.worker("victim", die_at=checkpoint.name, nth=nth)
    healthy = [stage.worker(f"healthy{n}") for n in range(others)]
    await stage.up(victim, *healthy)
    count = (
        JOBS * checkpoint.share * (1 + others)
    )  # so that the victim has its share, whoever hears the ring first
    batch = await stage.submit(jobs(count))
    await _dead(victim, nth)
    if not healthy:
        stage.worker("successor")
    seconds = await stage.settled(batch, victim.died_at)
    return await stage.verdict(batch, count, in_flight=victim.in_flight, seconds=seconds)


async def kill_worker_that_may_repeat(stage: Stage) -> Verdict:
    """With `PROVISION_ON_IN_DOUBT=retry` a killed worker's POSTs are made again, and the bounds say so."""
    victim = stage.worker("victim", die_at="after-request-sent", nth=20, on_in_doubt="retry")
    healthy = stage.worker("healthy", on_in_doubt="retry")
    await stage.up(victim, healthy)
    count = 3 * JOBS
    batch = await stage.submit(jobs(count))
    await _dead(victim, 20)
    seconds = await stage.settled(batch, victim.died_at)
    verdict = await stage.verdict(batch, count, in_flight=victim.in_flight, seconds=seconds)
    verdict.demand(verdict.succeeded == count, f"only {verdict.succeeded} succeeded")
    verdict.demand(
        verdict.duplicate <= verdict.in_flight,
        f"{verdict.duplicate} bodies made two widgets, only {verdict.in_flight} POSTs were in flight",
    )
    verdict.demand(verdict.most > count, "the bounds do not own up to what the retries may have made")
    return verdict


async def kill_worker_of_default_lease(stage: Stage) -> Verdict:
    """The promise of 30 seconds, with the lease that the program has when nobody sets one."""
    victim = stage.worker("victim", die_at="after-request-sent", nth=20, lease="")
    healthy = stage.worker("healthy", lease="")
    await stage.up(victim, healthy)
    count = 3 * JOBS  # enough for both, whoever is the first to claim
    batch = await stage.submit(jobs(count))
    await _dead(victim, 20)
    seconds = await stage.settled(batch, victim.died_at)
    return await stage.verdict(batch, count, in_flight=victim.in_flight, seconds=seconds)


async def kill_submitter(stage: Stage, checkpoint: Checkpoint) -> Verdict:
    """A submission dies; what it had been told is accepted is done, and the same again brings the rest."""
    nth = stage.random.randint(*checkpoint.nth)
    await stage.up(stage.worker("healthy"))
    victim = stage.submitter("submitter", CHUNKED, die_at=checkpoint.name, nth=nth)
    await _dead(victim, nth)
    batch = await stage.ledger.queries.batch_id("tenants")
    reported = int((victim.log.read_text().split() or ["0"])[-1])
    accepted = (await stage.status(batch)).accepted
    seconds = await stage.settled(batch, victim.died_at)
    half = await stage.verdict(batch, accepted, in_flight=0, seconds=seconds)
    half.demand(
        reported <= accepted < CHUNKED, f"told that {reported} were accepted; the ledger has {accepted}"
    )
    again = stage.submitter("submitter-again", CHUNKED)
    code = await again.gone(30)
    began = again.died_at
    await stage.settled(batch, began)
    verdict = await stage.verdict(batch, CHUNKED, in_flight=0, seconds=seconds)
    verdict.problems[:0] = half.problems
    verdict.demand(code == 0, f"the same submission again left with {code}")
    verdict.demand(verdict.succeeded == CHUNKED, f"only {verdict.succeeded} succeeded")
    return verdict


async def kill_at_random(stage: Stage) -> Verdict:
    """Three workers over 2 000 jobs, one of them killed every second or so and started again."""
    count, kills, slots = 2000, 8, "12"
    names = iter(range(1000))
    running = [stage.worker(f"worker{next(names)}", max_in_flight=slots) for _ in range(3)]
    await stage.up(*running)
    batch = await stage.submit(jobs(count))
    in_flight = 0
    for _ in range(kills):
        await asyncio.sleep(stage.random.uniform(0.2, 1.0))
        await stage.until(lambda: stage.in_flight > 0, "a worker has POSTs in flight")
        victim = stage.random.choice([worker for worker in running if worker.in_flight])
        victim.signal(signal.SIGKILL)
        await victim.gone(5)
        in_flight += victim.in_flight
        running[running.index(victim)] = stage.worker(f"worker{next(names)}", max_in_flight=slots)
    seconds = await stage.settled(batch, time.monotonic())
    return await stage.verdict(batch, count, in_flight=in_flight, seconds=seconds)


async def _dead(victim: Victim, nth: int) -> None:
    code = await victim.gone(30)
    assert code == -signal.SIGKILL, f"{victim.name} left with {code}, not by its own SIGKILL"
    assert victim.passings == nth, f"{victim.name} died at passing {victim.passings}, not {nth}"


def _alone(checkpoint: Checkpoint) -> Scenario:
    async def play(stage: Stage) -> Verdict:
        return await kill_worker(stage, checkpoint, others=0)

    return Scenario(checkpoint.name, f"a worker killed when {checkpoint.meaning}; one worker follows", play)


def _among_others(checkpoint: Checkpoint) -> Scenario:
    async def play(stage: Stage) -> Verdict:
        return await kill_worker(stage, checkpoint, others=2)

    return Scenario(
        f"{checkpoint.name}-of-three", f"the same when {checkpoint.meaning}, two workers beside it", play
    )


def _submitting(checkpoint: Checkpoint) -> Scenario:
    async def play(stage: Stage) -> Verdict:
        return await kill_submitter(stage, checkpoint)

    return Scenario(checkpoint.name, f"a submission killed when {checkpoint.meaning}", play)


SCENARIOS = (
    *(_alone(checkpoint) for checkpoint in WORKER),
    *(_among_others(checkpoint) for checkpoint in WORKER),
    *(_submitting(checkpoint) for checkpoint in SUBMITTER),
    Scenario(
        "default-lease",
        "a worker killed with the default lease: its jobs move again within 30 s",
        kill_worker_of_default_lease,
    ),
    Scenario(
        "random-kills",
        "three workers over 2 000 jobs, killed at random eight times",
        kill_at_random,
    ),
    Scenario(
        "retry-in-doubt",
        "on_in_doubt=retry: everything succeeds, and the bounds count second widgets",
        kill_worker_that_may_repeat,
        duplicates_allowed=True,
    ),
)
