"""Many batches in numbers at once: the same as one by one, in two round trips, with their own holds."""

from __future__ import annotations

from provisioning.ledger import Ledger
from tests.support.ledger_fixtures import fill, new_job


async def test_batches_are_read_together_as_they_are_one_by_one(ledger: Ledger) -> None:
    for batch in ("b1", "b2", "b3"):
        await fill(ledger, new_job(f"of {batch}"), batch=batch)
    await ledger.operations.hold("batch:b2", actor="ana", justification="look")
    await ledger.operations.hold("credential:acme", actor="ana", justification="look")
    found = await ledger.queries.statuses(["b3", "gone", "b2", "b1"])
    assert found == [await ledger.queries.status(batch) for batch in ("b3", "b2", "b1")]
    assert [sorted(hold.scope for hold in status.holds) for status in found] == [
        ["credential:acme"],
        ["batch:b2", "credential:acme"],
        ["credential:acme"],
    ]


async def test_so_many_batches_take_two_round_trips(ledger: Ledger) -> None:
    names = [f"b{n}" for n in range(20)]
    for batch in names:
        await fill(ledger, new_job(f"of {batch}"), batch=batch)
    await ledger.operations.hold("all", actor="ana", justification="look")
    trips = 0
    begin = ledger.redis.pipeline

    def counted(*args: object, **options: object) -> object:
        nonlocal trips
        trips += 1
        return begin(*args, **options)  # type: ignore[arg-type]

    ledger.redis.pipeline = counted  # type: ignore[method-assign, assignment]
    assert len(await ledger.queries.statuses(names)) == len(names)
    assert trips == 2


async def test_no_batches_are_no_numbers(ledger: Ledger) -> None:
    assert await ledger.queries.statuses([]) == []
