"""The same file handed over once more, after a blow: what it sends, and what it brings back."""

from __future__ import annotations

import time

from chaos.load import jobs
from chaos.stage import Stage
from chaos.verdict import Verdict
from provisioning.errors import NotFoundError


async def nothing_is_sent(stage: Stage, verdict: Verdict, count: int) -> None:
    """Demands that the whole file had been accepted: handed over again, it makes no POST."""
    posts = stage.sandbox.stats()["posts"]
    batch = await stage.submit(jobs(count))
    await stage.settled(batch, time.monotonic())
    sent = stage.sandbox.stats()["posts"] - posts
    verdict.demand(sent == 0, f"the same file again sent {sent} POSTs")


async def price(stage: Stage, count: int, *, in_flight: int, seconds: float) -> Verdict:
    """
    What a blow has cost in a configuration that is not the documented one, judged when the file came again.

    Lost are rows that had been told accepted and were gone. It is demanded only that they are there again.
    """
    lost = count - await _left(stage)
    batch = await stage.submit(jobs(count))
    await stage.settled(batch, time.monotonic())
    verdict = await stage.verdict(batch, count, in_flight=in_flight, seconds=seconds)
    still_lost, verdict.lost = verdict.lost, lost
    verdict.problems.clear()
    verdict.demand(still_lost == 0, f"{still_lost} rows are not there, though the file came again")
    return verdict


async def _left(stage: Stage) -> int:
    try:
        return (await stage.status(await stage.ledger.queries.batch_id("tenants"))).accepted
    except NotFoundError:
        return 0
