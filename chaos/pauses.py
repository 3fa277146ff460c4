"""Scenarios in which a worker stands still, or is told to stop."""

from __future__ import annotations

import asyncio
import signal
import time

from chaos.load import jobs
from chaos.scenario import Scenario
from chaos.stage import Stage
from chaos.verdict import Verdict
from provisioning.lifecycle import State

JOBS = 300

FROZEN = 4.0
"""Seconds of a frozen worker: two leases."""

STOP_SECONDS = 10.0
"""A supervisor kills after ten seconds."""

FULL = 500
"""POSTs in flight when the worker is told to stop: the default of PROVISION_MAX_IN_FLIGHT."""


async def freeze(stage: Stage) -> Verdict:
    """
    A worker is frozen for two leases with POSTs in flight, while another goes on.

    What it was sending becomes in doubt; what it had only claimed is done by the other. Thawed, it
    overwrites nothing, and the answers of its own POSTs settle every doubt.
    """
    frozen = stage.worker("frozen")
    await stage.up(frozen)
    batch = await stage.submit(jobs(JOBS))
    await stage.succeeded(batch, 20)
    frozen.signal(signal.SIGSTOP)
    in_flight = frozen.in_flight
    began = time.monotonic()
    stage.worker("healthy")

    async def all_but_its_own() -> bool:
        status = await stage.status(batch)
        return status.settled and time.monotonic() - began > FROZEN

    await stage.until(all_but_its_own, "the other has done what it could")
    doubted = (await stage.status(batch)).states[State.IN_DOUBT]
    frozen.signal(signal.SIGCONT)

    async def doubts_settled() -> bool:
        return (await stage.status(batch)).states[State.IN_DOUBT] == 0

    await stage.until(doubts_settled, "its own answers settle the doubts", 10)
    await asyncio.sleep(0.5)  # for whatever it might overwrite now
    seconds = await stage.settled(batch, began)
    verdict = await stage.verdict(batch, JOBS, in_flight=in_flight, seconds=seconds)
    verdict.demand(0 < doubted <= in_flight, f"{doubted} were in doubt, {in_flight} in flight")
    verdict.demand(verdict.succeeded == JOBS, f"only {verdict.succeeded} succeeded")
    verdict.demand(frozen.alive, f"the thawed worker left with {frozen.code}")
    return verdict


async def stop(stage: Stage, signals: tuple[signal.Signals, ...]) -> Verdict:
    """
    A worker with 500 POSTs in flight is told to stop: it waits for their answers and records them.

    What waits is handed back, nothing is in doubt, and the process is gone within ten seconds.
    """
    count = 2200  # the limit starts at 32 and doubles every second of latency: full after some 500
    leaving = stage.worker("leaving", max_in_flight=str(FULL))
    await stage.up(leaving)
    batch = await stage.submit(jobs(count))

    def full() -> bool:
        return int(stage.sandbox.stats()["in_flight"]) >= FULL

    await stage.until(full, f"{FULL} POSTs are in flight", pause=0.01)
    began = time.monotonic()
    in_flight = leaving.in_flight
    for number in signals:
        leaving.signal(number)
        await asyncio.sleep(0.3)
    code = await leaving.gone(STOP_SECONDS + 5)
    took = leaving.died_at - began
    status = await stage.status(batch)
    stage.sandbox.post_faults({"latency": "0.05"})  # how the rest is done is nobody's question here
    stage.worker("successor", max_in_flight=str(FULL))
    seconds = await stage.settled(batch, leaving.died_at)
    verdict = await stage.verdict(batch, count, in_flight=in_flight, seconds=seconds)
    demand = verdict.demand
    demand(code >= 0, f"it left by signal {-code}")
    demand(took <= STOP_SECONDS, f"it was gone after {took:.1f} s")
    held = {state: status.states[state] for state in (State.CLAIMED, State.SENDING)}
    demand(not any(held.values()), f"it left jobs behind: {held}")
    demand(verdict.in_doubt == 0, f"{verdict.in_doubt} in doubt")
    demand(verdict.succeeded == count, f"only {verdict.succeeded} succeeded")
    return verdict


async def stop_without_redis(stage: Stage) -> Verdict:
    """A worker is told to stop while Redis is away: it cannot record what it has, and goes all the same."""
    leaving = stage.worker("leaving")
    await stage.up(leaving)
    batch = await stage.submit(jobs(JOBS))
    await stage.succeeded(batch, 20)
    stage.valkey.stop()
    in_flight = leaving.in_flight
    began = time.monotonic()
    leaving.signal(signal.SIGTERM)
    await leaving.gone(STOP_SECONDS + 5)
    took = leaving.died_at - began
    stage.valkey.start()
    began = time.monotonic()
    stage.worker("successor")
    seconds = await stage.settled(batch, began)
    verdict = await stage.verdict(batch, JOBS, in_flight=in_flight, seconds=seconds)
    verdict.demand(took <= STOP_SECONDS + 2, f"it was gone after {took:.1f} s")
    return verdict


def _stopped(name: str, claim: str, *signals: signal.Signals) -> Scenario:
    async def play(stage: Stage) -> Verdict:
        return await stop(stage, signals)

    return Scenario(name, claim, play, latency="1")


SCENARIOS = (
    Scenario(
        "frozen-worker",
        "a worker frozen longer than its lease overwrites nothing and resolves its doubts",
        freeze,
    ),
    _stopped("graceful-stop", "SIGTERM with 500 POSTs in flight", signal.SIGTERM),
    _stopped("graceful-stop-twice", "the same with two SIGTERMs", signal.SIGTERM, signal.SIGTERM),
    _stopped("graceful-stop-sigint", "the same with SIGINT (Ctrl-C)", signal.SIGINT),
    _stopped("graceful-stop-sigint-twice", "the same with two SIGINTs", signal.SIGINT, signal.SIGINT),
    Scenario(
        "stop-without-redis",
        "SIGTERM while Redis is unavailable: ended in twelve seconds",
        stop_without_redis,
    ),
)
