"""What a batch came to over time, and what people did."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioning import scopes
from provisioning.ledger import Ledger, Selection, Span, keys
from provisioning.ledger.records import Fact
from provisioning.lifecycle import Event, State
from provisioning.pace import Rate
from tests.support.ledger_fixtures import NOW, Clock, answer, claim, fill, new_job, say, send

MINUTE = NOW // 60 * 60


async def _two_minutes(ledger: Ledger, clock: Clock) -> None:
    """One job is created in the first minute, two die in the second."""
    await fill(ledger, *(new_job(f"k{n}") for n in range(3)))
    for job in await claim(ledger):
        await send(ledger, job)
        await say(ledger, answer(job, Event.CREATED if job.number == 1 else Event.REJECTED))
        if job.number == 1:
            clock.advance(60)


async def test_outcomes_and_attempts_are_counted_by_the_minute(ledger: Ledger, clock: Clock) -> None:
    await _two_minutes(ledger, clock)
    assert await ledger.queries.history("b1") == [
        Span(MINUTE, 60, 1, {State.SUCCEEDED: 1}),
        Span(MINUTE + 60, 60, 2, {State.DEAD: 2}),
    ]


async def test_a_longer_look_sums_minutes_up(ledger: Ledger, clock: Clock) -> None:
    await _two_minutes(ledger, clock)
    [span] = await ledger.queries.history("b1", minutes=60)
    assert (span.attempts, span.ended) == (3, {State.SUCCEEDED: 1, State.DEAD: 2})


async def _one_at(ledger: Ledger, clock: Clock, at: float) -> None:
    clock.advance(at - clock.now)
    await fill(ledger, new_job(f"at-{at}"))
    for job in await claim(ledger):
        await send(ledger, job)
        await say(ledger, answer(job, Event.CREATED))


async def test_what_is_old_is_kept_by_the_hour_then_by_the_day_and_every_end_is_told_once(
    ledger: Ledger, clock: Clock
) -> None:
    """On a real Valkey: 130 minutes in a row, then an end a day later, and one two months later."""
    begin = MINUTE // 86400 * 86400 + 86400  # midnight
    ends = [begin + 60.0 * n for n in range(130)]
    for at in ends:
        await _one_at(ledger, clock, at)
    lengths = [span.seconds for span in await ledger.queries.history("b1")]
    assert lengths == [60] * 130
    # A day and an hour and a half later the first hour is a day old as a whole, and the second is not.
    await _one_at(ledger, clock, begin + 86400 + 5400)
    hour, *minutes = await ledger.queries.history("b1")
    assert hour == Span(begin, 3600, 60, {State.SUCCEEDED: 60})
    assert [span.at for span in minutes] == [*ends[60:], begin + 86400 + 5400]
    assert {span.seconds for span in minutes} == {60}
    by_hour = await ledger.queries.history("b1", minutes=60)
    assert [(span.at - begin, span.attempts) for span in by_hour] == [
        (0, 60),
        (3600, 60),
        (7200, 10),
        (86400 + 3600, 1),
    ]
    await _one_at(ledger, clock, begin + 60 * 86400)
    assert await ledger.queries.history("b1") == [
        Span(begin, 86400, 130, {State.SUCCEEDED: 130}),
        Span(begin + 86400, 86400, 1, {State.SUCCEEDED: 1}),
        Span(begin + 60 * 86400, 60, 1, {State.SUCCEEDED: 1}),
    ]


async def test_every_act_of_a_person_is_in_the_audit_the_latest_first(ledger: Ledger, clock: Clock) -> None:
    await _two_minutes(ledger, clock)
    await fill(ledger, new_job("doubt"))
    [job] = await claim(ledger)
    await send(ledger, job)
    await say(ledger, answer(job, Event.DOUBTED))
    hand, scope = ledger.operations, scopes.of_batch("b1")
    assert await hand.hold(scope, actor="ana", justification="coffee")
    assert not await hand.hold(scope, actor="eva", justification="too late to count")
    await hand.release(scope, actor="eva")
    await hand.set_pace("acme", Rate(5.0), actor="ana")
    await hand.resolve("b1", 4, created=True, actor="ana")
    await hand.redrive("b1", Selection(State.DEAD), "ana")
    await hand.cancel("b1", "eva")
    acts = [(act.act, act.by, act.on) async for act in ledger.queries.audit()]
    assert acts == [
        ("cancel", "eva", "batch:b1"),
        ("redrive", "ana", "batch:b1"),
        ("resolve", "ana", "job:b1.4"),
        ("pace", "ana", "credential:acme"),
        ("resume", "eva", "batch:b1"),
        ("pause", "ana", "batch:b1"),
    ]
    assert len([act async for act in ledger.queries.audit(2)]) == 2


async def test_the_audit_reads_all_that_it_keeps_page_by_page(ledger: Ledger) -> None:
    for n in range(1001):
        await ledger.operations.note("pause", actor=f"p{n}", on="all")
    read = [act.by async for act in ledger.queries.audit()]
    assert read == [f"p{n}" for n in reversed(range(1001))]


async def _acts_at(ledger: Ledger, *times_ms: int) -> None:
    """An entry of the audit at each of these times, as if it had been written then."""
    for at in times_ms:
        await ledger.redis.xadd(keys.AUDIT, {"act": _act_at(at)}, id=f"{at}-0")


def _act_at(at: int) -> bytes:
    return b'{"act":"pause","at":%d,"by":"p%d","on":"all"}' % (at // 1000, at)


async def _read(ledger: Ledger, after: str = "", **asked: Any) -> list[str]:
    return [act.by async for page in ledger.queries.audit_pages(after, **asked) for _, act in page.acts]


async def test_the_audit_is_read_between_two_times_the_first_included(ledger: Ledger) -> None:
    await _acts_at(ledger, 999, 1000, 1500, 2000, 2001)
    assert await _read(ledger, since=1.0, until=2.0) == ["p1500", "p1000"]
    assert await _read(ledger, since=2.0) == ["p2001", "p2000"]
    assert await _read(ledger, until=1.0005) == ["p1000", "p999"]
    assert await _read(ledger, until=0.0) == []
    assert await _read(ledger, since=3.0, until=1.0) == []


async def test_a_page_of_the_audit_goes_on_where_the_one_before_ended(ledger: Ledger) -> None:
    await _acts_at(ledger, *range(1000, 1007))
    pages = [page async for page in ledger.queries.audit_pages(size=3)]
    assert [len(page.acts) for page in pages] == [3, 3, 1]
    assert [page.end for page in pages] == ["1004-0", "1001-0", ""]
    assert await _read(ledger, "1004-0") == ["p1003", "p1002", "p1001", "p1000"]
    assert await _read(ledger, "1004-0", until=1.002) == ["p1001", "p1000"]
    assert await _read(ledger, "1002-0", until=1.006) == ["p1001", "p1000"]
    for last in ("1000-0", "0-0", "00-00"):
        assert await _read(ledger, last) == []


async def test_the_owners_of_batches_are_read_at_once_and_those_that_are_gone_left_out(
    ledger: Ledger,
) -> None:
    await fill(ledger, new_job("k"), batch="b1")
    await fill(ledger, new_job("k"), batch="b2", owner="crm")
    assert await ledger.queries.owners_of(["b1", "b2", "gone", "b2"]) == {"b1": "default", "b2": "crm"}
    assert await ledger.queries.owners_of([]) == {}


FACTS = st.dictionaries(
    st.text(max_size=8),
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts=FACTS)
async def test_an_act_is_read_with_the_facts_that_were_noted(ledger: Ledger, facts: dict[str, Fact]) -> None:
    await ledger.operations.note("redrive", actor="ana", on="all", facts=facts)
    [read] = [act async for act in ledger.queries.audit(1)]
    assert read.facts == facts


async def test_a_redrive_since_a_time_leaves_the_audit_readable(ledger: Ledger) -> None:
    wanted = Selection(State.DEAD, since=1_764_000_000.5, until=1_764_000_001.0)
    await ledger.operations.redrive("b1", wanted, "ana")
    [act] = [act async for act in ledger.queries.audit()]
    assert (act.facts["since"], act.facts["until"]) == (1_764_000_000.5, 1_764_000_001.0)


async def test_a_name_with_stray_bytes_is_noted(ledger: Ledger) -> None:
    await ledger.operations.note(
        "reconcile", actor="ana\udcff", on="all", justification="x\udcfe", facts={"file": "t\udcff.csv"}
    )
    [act] = [act async for act in ledger.queries.audit()]
    assert (act.by, act.why, act.facts) == ("ana\\xff", "x\\xfe", {"file": "t\\xff.csv"})


@pytest.mark.parametrize(
    "fields",
    [
        {"act": b'{"act":"redrive","at":1.0,"by":"ana","on":"all","facts":{"since":[1]}}'},
        {"act": b'{"act":"redrive"'},
        {"act": b'"\xff"'},
        {"act": b'{"act":"redrive","at":"yesterday","by":"ana","on":"all"}'},
        {"of_a_later_version": b"1"},
    ],
)
async def test_an_entry_that_cannot_be_read_is_shown_as_such_and_hides_no_other(
    ledger: Ledger, fields: dict[str, bytes]
) -> None:
    await ledger.operations.note("pause", actor="ana", on="all")
    await ledger.redis.xadd(keys.AUDIT, fields)  # type: ignore[arg-type]
    await ledger.operations.note("resume", actor="eva", on="all")
    acts = [act async for act in ledger.queries.audit()]
    assert [act.act for act in acts] == ["resume", "unreadable", "pause"]
    assert acts[1].at == pytest.approx(acts[0].at, abs=60)
    assert acts[1].facts["entry"]
