"""Handing jobs over while the batch that was found goes away."""

from __future__ import annotations

from producers.submit import submit
from provisioning.job import Verdict
from provisioning.ledger import Ledger
from tests.support.ledger_fixtures import lose_opened_batches, new_job


async def test_a_batch_that_is_gone_as_soon_as_it_is_found_takes_the_jobs_all_the_same(
    ledger: Ledger,
) -> None:
    """Its retention has ended, or a failover has lost it: the submitter is not told that there is none."""
    first = await submit(ledger, [new_job("t1")], name="june", actor="ana", notify=lambda _: None)
    lose_opened_batches(ledger)
    again = await submit(ledger, [new_job("t2")], name="june", actor="ana", notify=lambda _: None)
    assert (again.batch, again.before, again.verdicts) == (first.batch, 0, {Verdict.NEW: 1})
    assert [job.key async for job in ledger.queries.jobs(again.batch)] == ["t2"]
