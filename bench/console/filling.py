"""
Fills a ledger through its own transitions, with a process a core: accepted, claimed, sent, answered.

The ledger's clock is turned, so that a batch has the hours behind it that its jobs would have taken.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from bench.console.plan import PACE, Batch, ended, new_jobs
from provisioning.job import NewJob
from provisioning.ledger import Intent, Ledger, transitions
from provisioning.ledger.client import connect

SLICE: Final = 500
"""Jobs a call."""

AT_ONCE: Final = 200
"""Slices that a process fills before it tells how far it is."""

LEASE: Final = 600.0
TARGET: Final = "https://api.example"
ACTS: Final = 10_000
"""Acts in the audit: as many as it keeps."""


def fill(url: str, batches: Sequence[Batch], report: Callable[[str], None]) -> None:
    """Fills the ledger at `url`; `report` is told how far it is."""
    asyncio.run(_open(url, batches))
    slices = [(batch, first) for batch in batches for first in range(1, batch.jobs + 1, SLICE)]
    processes = min(os.cpu_count() or 1, 1 + len(slices) // AT_ONCE)
    jobs = sum(batch.jobs for batch in batches)
    # Neighbours go to different processes: each batch is filled in the order of its clock.
    shares = [slices[n::processes] for n in range(processes)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        for at in range(0, max(map(len, shares)), AT_ONCE):
            list(pool.map(_fill, [url] * processes, [share[at : at + AT_ONCE] for share in shares]))
            report(f"{min((at + AT_ONCE) * processes * SLICE, jobs):,} jobs filled")
    asyncio.run(_finish(url, batches))


async def _open(url: str, batches: Sequence[Batch]) -> None:
    for batch in batches:
        async with Ledger(connect(url), lambda at=batch.opened_at: at) as ledger:  # type: ignore[misc]
            await ledger.do(transitions.open_batch(batch.id, batch.name, {}))


def _fill(url: str, slices: Sequence[tuple[Batch, int]]) -> None:
    asyncio.run(_fill_slices(url, slices))


async def _fill_slices(url: str, slices: Sequence[tuple[Batch, int]]) -> None:
    now = 0.0
    async with Ledger(connect(url), lambda: now) as ledger:
        for batch, first in slices:
            now = batch.opened_at + first / PACE
            jobs = new_jobs(batch, first, min(first + SLICE, batch.jobs + 1))
            await ledger.do(transitions.accept(batch.id, jobs, "ana"))
            await _work_off(ledger, batch, len(jobs), now)


async def _work_off(ledger: Ledger, batch: Batch, most: int, now: float) -> bool:
    """Gives some jobs of a batch their end. Returns: whether there were any."""
    call = transitions.claim(batch.id, worker="w1", lease=LEASE, target=TARGET, most=most, rooms={})
    claims = (await ledger.do(call)).jobs
    if not claims:
        return False
    intents = [Intent(claim.number, claim.token, 1, claim.credential) for claim in claims]
    await ledger.do(transitions.sending(batch.id, intents, lease=LEASE, target=TARGET))
    await ledger.do(transitions.answered(batch.id, [ended(batch, claim, now) for claim in claims]))
    return True


async def _finish(url: str, batches: Sequence[Batch]) -> None:
    """Gives the jobs their end that were accepted while another process claimed, and fills the audit."""
    for batch in batches:
        now = batch.opened_at + batch.jobs / PACE
        async with Ledger(connect(url), lambda at=now: at) as ledger:  # type: ignore[misc]
            while await _work_off(ledger, batch, SLICE, now):
                pass
    async with Ledger(connect(url)) as ledger:
        for n in range(min(ACTS, sum(batch.jobs for batch in batches))):
            act = ("pause", "resume", "redrive", "resolve")[n % 4]
            await ledger.operations.note(
                act, actor=f"operator-{n % 7}", on=f"batch:{batches[n % len(batches)].id}"
            )


def queue(url: str, batch: str, count: int) -> None:
    """Hands over jobs with the credential that a worker has, in a batch of their own."""

    async def hand_over() -> None:
        async with Ledger.at(url) as ledger:
            await queue_in(ledger, batch, count)

    asyncio.run(hand_over())


async def queue_in(ledger: Ledger, batch: str, count: int) -> None:
    """As `queue`, in a ledger that is open."""
    await ledger.do(transitions.open_batch(batch, batch, {}))
    for first in range(0, count, SLICE):
        jobs = [_job(batch, n) for n in range(first, min(first + SLICE, count))]
        await ledger.do(transitions.accept(batch, jobs, "ana"))


def _job(batch: str, n: int) -> NewJob:
    return NewJob(
        f"{batch}-{n}", "default", b'{"bot":{"id":"%d"},"widget":{}}' % (500_000_000 + n), row=n + 2
    )


if __name__ == "__main__":
    queue(sys.argv[1], sys.argv[2], int(sys.argv[3]))
