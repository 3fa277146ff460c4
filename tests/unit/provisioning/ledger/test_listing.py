"""Listing jobs: every filter beside every state, pages that go on where one ended, a tenant anywhere."""

from __future__ import annotations

from typing import Any

import pytest

from provisioning.ledger import JobRecord, Ledger, Selection, Tombstone, keys, queries, transitions
from provisioning.lifecycle import Event, State
from tests.support.ledger_fixtures import NOW, Clock, answer, claim, fill, new_job, say, send


async def _numbers(ledger: Ledger, wanted: Selection, after: str = "") -> list[int]:
    return [job.number async for job in ledger.queries.jobs("b1", wanted, after=after)]


async def _four(ledger: Ledger, clock: Clock) -> None:
    """1 dead, 2 created, 3 dead a second later, 4 still queued; 3 and 4 are of another credential."""
    await fill(ledger, new_job("abc-1"), new_job("b"), new_job("abc-2", "zeta"), new_job("abd", "zeta"))
    ends = {1: (Event.REJECTED, "gone"), 2: (Event.CREATED, "created"), 3: (Event.REJECTED, "forbidden")}
    for job in sorted(await claim(ledger, 4), key=lambda each: each.number):
        if job.number in ends:
            clock.advance(1)
            await send(ledger, job)
            event, reason = ends[job.number]
            await say(ledger, answer(job, event, reason=reason))


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Selection(), [1, 2, 3, 4]),
        (Selection(State.DEAD), [1, 3]),
        (Selection(State.SUCCEEDED), [2]),
        (Selection(reason="gone"), [1]),
        (Selection(State.SUCCEEDED, reason="gone"), []),
        (Selection(credential="zeta"), [3, 4]),
        (Selection(State.DEAD, credential="zeta"), [3]),
        (Selection(key="b"), [2]),
        (Selection(key="b", credential="zeta"), []),
        (Selection(State.DEAD, key="b"), []),
        (Selection(key="abc*"), [1, 3]),
        (Selection(State.DEAD, key="ab*", credential="acme"), [1]),
        (Selection(since=NOW + 2), [2, 3]),
        (Selection(until=NOW + 2), [1, 4]),
        (Selection(State.DEAD, since=NOW + 2), [3]),
    ],
)
async def test_jobs_are_listed_by_every_filter(
    ledger: Ledger, clock: Clock, wanted: Selection, numbers: list[int]
) -> None:
    await _four(ledger, clock)
    assert await _numbers(ledger, wanted) == numbers


@pytest.mark.parametrize("wanted", [Selection(), Selection(State.DEAD), Selection(key="k*")])
async def test_a_listing_goes_on_after_any_job_of_it(
    ledger: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch, wanted: Selection
) -> None:
    monkeypatch.setattr(queries, "PAGE", 2)
    monkeypatch.setattr(queries, "STRETCH", 3)
    await fill(ledger, *(new_job(f"k{n}") for n in range(9)))
    for job in reversed(await claim(ledger)):
        await send(ledger, job)
        clock.advance(1 if job.number % 3 else 0)  # some get there in the same instant
        await say(ledger, answer(job, Event.REJECTED))
    everything = [record async for record in ledger.queries.jobs("b1", wanted)]
    assert sorted(record.number for record in everything) == list(range(1, 10))
    for index, record in enumerate(everything):
        rest = await _numbers(ledger, wanted, after=wanted.place(record))
        assert rest == [each.number for each in everything[index + 1 :]]


async def test_pages_say_where_they_end_and_the_last_that_nothing_is_left(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "PAGE", 2)
    await fill(ledger, *(new_job(f"k{n}") for n in range(4)))
    pages = [(len(page.jobs), page.end) async for page in ledger.queries.pages("b1")]
    assert pages == [(2, "2"), (2, "")]


async def test_dead_letters_are_listed_in_the_order_in_which_they_died(ledger: Ledger, clock: Clock) -> None:
    await fill(ledger, *(new_job(f"k{n}") for n in range(4)))
    for job in sorted(await claim(ledger), key=lambda each: -each.number):
        await send(ledger, job)
        clock.advance(1)
        await say(ledger, answer(job, Event.REJECTED))
    assert await _numbers(ledger, Selection(State.DEAD)) == [4, 3, 2, 1]


async def _found(ledger: Ledger, key: str, credential: str = "") -> set[tuple[str, str]]:
    return {(found.credential, found.job_id) async for found in ledger.queries.find(key, credential)}


async def test_a_tenant_is_found_in_whichever_batch_and_under_whichever_credential(
    ledger: Ledger,
) -> None:
    await fill(ledger, new_job("lima", "acme"), new_job("limb", "acme"))
    await fill(ledger, new_job("lima", "zeta"), new_job("l*ma", "zeta"), batch="b2")
    assert await _found(ledger, "lima") == {("acme", "b1.1"), ("zeta", "b2.1")}
    assert await _found(ledger, "lima", "zeta") == {("zeta", "b2.1")}
    assert await _found(ledger, "lim*") == {("acme", "b1.1"), ("acme", "b1.2"), ("zeta", "b2.1")}
    assert await _found(ledger, "l**") == {("zeta", "b2.2")}  # all that begin with `l*`
    assert await _found(ledger, "nobody") == set()


async def test_of_a_tenant_past_its_retention_is_told_how_it_ended(ledger: Ledger) -> None:
    await fill(ledger, new_job("lima"))
    [job] = await claim(ledger)
    await send(ledger, job)
    await say(ledger, answer(job, Event.CREATED))
    redis: Any = ledger.redis
    settled = await redis.hget(keys.batch("b1"), "settled_at")
    await ledger.do(transitions.reap("b1", "batches", settled.decode(), 10))
    [found] = [each async for each in ledger.queries.find("lima")]
    assert found == Tombstone("b1.1", "lima", "acme", State.SUCCEEDED)
    assert not isinstance(found, JobRecord)


async def test_a_batch_that_is_being_let_go_of_is_listed_without_what_is_gone(ledger: Ledger) -> None:
    await fill(ledger, new_job("ka"), new_job("kb"))
    for job in await claim(ledger):
        await send(ledger, job)
        await say(ledger, answer(job, Event.CREATED))
    redis: Any = ledger.redis
    settled = await redis.hget(keys.batch("b1"), "settled_at")
    await ledger.do(transitions.reap("b1", "batches", settled.decode(), 1))
    for wanted in (Selection(), Selection(key="k*"), Selection(until=NOW + 9), Selection(State.SUCCEEDED)):
        assert await _numbers(ledger, wanted) == [2]


async def test_batches_are_listed_without_one_that_goes_while_they_are_read(ledger: Ledger) -> None:
    await fill(ledger, new_job("a"))
    redis: Any = ledger.redis
    await redis.zadd(keys.BATCHES, {"gone": 1})
    assert [each.batch async for each in ledger.queries.batches()] == ["b1"]
    assert await ledger.queries.status_or_none("gone") is None


async def test_the_first_page_of_a_list_looks_at_few_jobs_and_later_ones_at_more(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "FIRST_STRETCH", 2)
    monkeypatch.setattr(queries, "STRETCH", 5)
    await fill(ledger, *(new_job(f"k{n}") for n in range(20)))
    pages = [len(page.jobs) async for page in ledger.queries.pages("b1", Selection(key="k*"))]
    assert pages == [2, 4, 5, 5, 4]
