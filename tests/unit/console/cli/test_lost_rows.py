"""What apply says of rows that Redis has lost after it had taken them."""

from __future__ import annotations

from typing import Any, cast

import pytest

from console.cli.applied import Applied
from producers.plan import Plan
from producers.submit import submit
from provisioning.ledger import Ledger
from tests.support.ledger_fixtures import new_job
from tests.unit.provisioning.ledger.test_lost_intents import go_back, kept


@pytest.mark.parametrize("earlier", [0, 3])
async def test_rows_that_were_lost_are_counted_in_a_batch_that_goes_on_as_well(
    ledger: Ledger, earlier: int
) -> None:
    def handed_over(*keys: str) -> Any:
        return submit(ledger, [new_job(key) for key in keys], name="b", actor="me", notify=lambda _: None)

    await handed_over("first", *(f"k{n}" for n in range(earlier)))
    before = await kept(ledger)
    submission = await handed_over("first", "l1", "l2")

    async def applied() -> Applied:
        status = await ledger.queries.status(submission.batch)
        return Applied(cast(Plan, None), submission, status, [], [], 1.0)

    assert (await applied()).lost == 0
    await go_back(ledger, before)
    assert (await applied()).lost == 2
