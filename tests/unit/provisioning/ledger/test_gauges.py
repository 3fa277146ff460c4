"""The whole ledger in numbers is the sum of its batches, however many stretches it is read in."""

from __future__ import annotations

from collections import Counter

import pytest

from provisioning.ledger import Deferral, Ledger, transitions
from provisioning.ledger.gauges import LINES, sum_up
from provisioning.lifecycle import Event, State
from tests.support.ledger_fixtures import Clock, answer, claim, fill, new_job, say, send

ENDS = (Event.CREATED, Event.REJECTED, Event.DOUBTED, Event.EXHAUSTED)


async def _live(ledger: Ledger, clock: Clock, batches: int) -> None:
    """Batches with an end of every kind, one job each that was never claimed, and one that waits."""
    for n in range(batches):
        batch = f"b{n}"
        clock.advance(1)
        await fill(ledger, *(new_job(f"{batch}-{m}") for m in range(len(ENDS) + 1 + n % 2)), batch=batch)
        jobs = await claim(ledger, len(ENDS) + n % 2, batch=batch)
        for job, event in zip(jobs, ENDS, strict=False):
            await send(ledger, job)
            await say(ledger, answer(job, event, reason="http_500"), batch=batch)
        for job in jobs[len(ENDS) :]:
            await ledger.do(transitions.deferred(batch, [Deferral(job.number, job.token, 60.0, "shutdown")]))


@pytest.mark.parametrize("stretch", [1, 2, 3, 250])
async def test_the_sums_are_those_of_all_batches(ledger: Ledger, clock: Clock, stretch: int) -> None:
    await _live(ledger, clock, 6)
    statuses = [status async for status in ledger.queries.batches()]
    sums = await sum_up(ledger, stretch=stretch)
    assert sums.batches == 6
    for state in State:
        assert sums.counts[state] == sum(status.states[state] for status in statuses)
    assert sums.counts["accepted"] == sum(status.accepted for status in statuses) == 33
    assert sums.counts["attempts"] == sum(status.attempts for status in statuses)
    assert sums.counts["least"] == sum(status.bounds.least for status in statuses)
    assert sums.counts["most"] == sum(status.bounds.most for status in statuses)
    assert (sums.counts["waiting"], sums.counts["settled"]) == (3, 0)
    assert sums.causes == {("dead", "http_500"): 12, ("in_doubt", "http_500"): 6}
    assert [job_id.partition(".")[0] for job_id in sums.first] == [f"b{n}" for n in range(6)]


async def test_the_oldest_doubt_and_the_first_due_are_found_wherever_they_are(
    ledger: Ledger, clock: Clock
) -> None:
    began = clock.now
    await _live(ledger, clock, 4)
    sums = await sum_up(ledger, stretch=1)
    assert (sums.doubted, sums.due) == (began + 1, began + 2 + 60)


async def test_an_empty_ledger_has_nothing(ledger: Ledger) -> None:
    sums = await sum_up(ledger)
    assert (sums.batches, sums.causes, sums.doubted, sums.due, sums.first) == (0, {}, None, None, ())
    assert set(sums.counts.values()) == {0}


async def test_causes_that_nobody_documents_are_one(ledger: Ledger) -> None:
    await fill(ledger, *(new_job(f"k{n}") for n in range(30)))
    for n, job in enumerate(await claim(ledger)):
        await send(ledger, job)
        reason = "bot_not_found" if n < 10 else f"tenant_{n}_is_odd"
        await say(ledger, answer(job, Event.REJECTED, reason=reason))
    sums = await sum_up(ledger)
    assert sums.causes == {("dead", "bot_not_found"): 10, ("dead", "other"): 20}


async def test_a_settled_batch_is_counted_as_one(ledger: Ledger) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await send(ledger, job)
    await say(ledger, answer(job, Event.CREATED))
    sums = await sum_up(ledger)
    assert (sums.batches, sums.counts["settled"], sums.first) == (1, 1, ())


async def test_the_oldest_job_is_looked_for_in_a_few_batches_only(ledger: Ledger) -> None:
    for n in range(3 * LINES):
        await fill(ledger, new_job(f"k{n}"), batch=f"b{n:02}")
    for stretch in (1, 5, 250):
        found = Counter((await sum_up(ledger, stretch=stretch)).first)
        assert len(found) == LINES
