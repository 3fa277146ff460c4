"""Redriving by filter: what is meant, what is left since it may make a second widget, what is kept of it."""

from __future__ import annotations

import pytest

from provisioning.attempt import Bounds
from provisioning.job import Verdict
from provisioning.ledger import Ledger, Redriven, Risk, Selection, keys, queries, transitions
from provisioning.ledger import operations as hand_module
from provisioning.lifecycle import Event, State
from tests.support.ledger_fixtures import (
    NOW,
    Clock,
    answer,
    changed,
    claim,
    fill,
    new_job,
    say,
    send,
    snapshot,
)

DEAD = Selection(State.DEAD)
WHY = "the console shows none of them"


async def _die(ledger: Ledger, clock: Clock, **endings: tuple[Event, str]) -> None:
    """Jobs by key, each brought to its end a second after the one before."""
    await fill(ledger, *(new_job(key, "zeta" if key.startswith("z") else "acme") for key in endings))
    for job in sorted(await claim(ledger), key=lambda each: each.number):
        assert await send(ledger, job)
        clock.advance(1)
        event, reason = endings[job.key]
        await say(ledger, answer(job, event, reason=reason))


async def _three(ledger: Ledger, clock: Clock) -> None:
    await _die(
        ledger,
        clock,
        a=(Event.REJECTED, "bot_not_found"),
        b=(Event.EXHAUSTED, "http_500"),
        z=(Event.REJECTED, "bot_not_found"),
    )


async def _numbers(ledger: Ledger, wanted: Selection) -> list[int]:
    return [match.number async for page in ledger.queries.matching("b1", wanted) for match in page]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (DEAD, [1, 2, 3]),
        (Selection(State.DEAD, reason="bot_not_found"), [1, 3]),
        (Selection(State.DEAD, credential="zeta"), [3]),
        (Selection(State.DEAD, key="b"), [2]),
        (Selection(State.DEAD, key="z*"), [3]),
        (Selection(State.DEAD, since=NOW + 2), [2, 3]),
        (Selection(State.DEAD, until=NOW + 2), [1]),
        (Selection(State.CANCELLED), []),
    ],
)
async def test_a_filter_means_what_it_says(
    ledger: Ledger, clock: Clock, wanted: Selection, numbers: list[int]
) -> None:
    await _three(ledger, clock)
    assert await _numbers(ledger, wanted) == numbers


async def test_looking_for_jobs_changes_nothing(ledger: Ledger, clock: Clock) -> None:
    await _three(ledger, clock)
    before = await snapshot(ledger.redis)
    await _numbers(ledger, DEAD)
    assert changed(before, await snapshot(ledger.redis)) == {}


async def test_what_may_make_a_second_widget_is_left_where_it_is_and_counted(
    ledger: Ledger, clock: Clock
) -> None:
    await _three(ledger, clock)
    assert await ledger.operations.redrive("b1", DEAD, "ana") == Redriven(queued=2, risky=0, left=1)
    status = await ledger.queries.status("b1")
    assert (status.states[State.QUEUED], status.states[State.DEAD]) == (2, 1)
    assert status.causes == {"dead": {"http_500": 1}}


async def test_the_reason_for_accepting_a_second_widget_is_kept_with_the_job_and_in_the_audit(
    ledger: Ledger, clock: Clock
) -> None:
    await _three(ledger, clock)
    came = await ledger.operations.redrive("b1", DEAD, "ana", justification=WHY)
    assert came == Redriven(queued=3, risky=1, left=0)
    [move] = (await ledger.queries.job("b1.2")).moves
    assert (move.move, move.by, move.was, move.why) == ("redriven", "ana", "http_500", WHY)
    [safe] = (await ledger.queries.job("b1.1")).moves
    assert safe.why == ""
    [act] = [act async for act in ledger.queries.audit()]
    assert (act.act, act.by, act.on, act.why) == ("redrive", "ana", "batch:b1", WHY)
    assert (act.facts["queued"], act.facts["risky"]) == (3, 1)


async def test_bounds_are_kept_over_a_redrive(ledger: Ledger, clock: Clock) -> None:
    await _three(ledger, clock)
    await ledger.operations.redrive("b1", DEAD, "ana", justification=WHY)
    assert (await ledger.queries.job("b1.2")).bounds == Bounds(0, 1)


@pytest.mark.parametrize("same_time", [True, False])
async def test_every_match_is_found_once_however_the_stretches_fall(
    ledger: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch, same_time: bool
) -> None:
    for module in (queries, hand_module):
        monkeypatch.setattr(module, "STRETCH", 3)
    await fill(ledger, *(new_job(f"k{n}") for n in range(11)))
    for job in await claim(ledger):
        await send(ledger, job)
        clock.advance(0 if same_time else 1)
        event = Event.EXHAUSTED if job.number % 4 == 0 else Event.REJECTED
        await say(ledger, answer(job, event))
    assert sorted(await _numbers(ledger, DEAD)) == list(range(1, 12))
    assert await ledger.operations.redrive("b1", DEAD, "ana") == Redriven(queued=9, risky=0, left=2)
    assert sorted(await _numbers(ledger, DEAD)) == [4, 8]


async def test_cancelled_jobs_are_found_by_their_numbers(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "STRETCH", 2)
    await fill(ledger, *(new_job(f"k{n}") for n in range(4)))
    await ledger.do(transitions.cancel("b1", 1, 3, "ana"))
    assert await _numbers(ledger, Selection(State.CANCELLED)) == [1, 2, 3]


# -- a mended row ------------------------------------------------------------------------------------


async def _mend(ledger: Ledger, key: str, *, justification: str = "") -> tuple[Verdict, Verdict]:
    """What the plan says of a mended row, and what handing it over comes to."""
    job = new_job(key, body=b'{"a":2}')
    [planned] = await ledger.queries.verdicts([job], accept_duplicates=bool(justification))
    [accepted] = await ledger.do(transitions.accept("b2", [job], "ana", justification=justification))
    return planned, accepted.verdict


async def test_a_mended_row_that_may_have_made_a_widget_is_not_sent_silently(
    ledger: Ledger, clock: Clock
) -> None:
    await _three(ledger, clock)
    before = await snapshot(ledger.redis)
    assert await _mend(ledger, "b") == (Verdict.RISKY, Verdict.RISKY)
    assert changed(before, await snapshot(ledger.redis)) == {}
    assert await _mend(ledger, "a") == (Verdict.REDRIVEN, Verdict.REDRIVEN)


async def test_a_mended_row_is_sent_where_somebody_says_why_a_second_widget_is_accepted(
    ledger: Ledger, clock: Clock
) -> None:
    await _three(ledger, clock)
    assert await _mend(ledger, "b", justification=WHY) == (Verdict.REDRIVEN, Verdict.REDRIVEN)
    [move] = (await ledger.queries.job("b1.2")).moves
    assert (move.move, move.why) == ("redriven", WHY)
    assert await ledger.queries.body("b1.2") == b'{"a":2}'


async def test_causes_come_with_their_count_risk_first_and_last_time_and_an_example(
    ledger: Ledger, clock: Clock
) -> None:
    await _three(ledger, clock)
    groups = await ledger.queries.causes("b1", DEAD)
    assert [(g.cause, g.count, g.risky, g.first - NOW, g.last - NOW, g.example) for g in groups] == [
        ("bot_not_found", 2, 0, 1.0, 3.0, 1),
        ("http_500", 1, 1, 2.0, 2.0, 2),
    ]


async def test_the_risk_of_dead_jobs_is_counted_without_looking_at_them(ledger: Ledger, clock: Clock) -> None:
    await _three(ledger, clock)
    assert await ledger.queries.risk("b1") == Risk(safe=2, risky=1)
    assert await ledger.queries.risk("b1", "http_500") == Risk(safe=0, risky=1)
    assert await ledger.queries.risk("b1", "http") == Risk(safe=0, risky=0)
    await ledger.redis.delete(keys.jobs("b1"))
    assert await ledger.queries.risk("b1", "bot_not_found") == Risk(safe=2, risky=0)


async def test_dead_jobs_that_an_earlier_version_has_not_counted_are_looked_at(
    ledger: Ledger, clock: Clock
) -> None:
    await _three(ledger, clock)
    await ledger.redis.delete(keys.risk("b1"))
    assert await ledger.queries.risk("b1") == Risk(safe=2, risky=1)
    # One of them leaves and comes back: the other is still not counted.
    assert await ledger.operations.redrive("b1", Selection(State.DEAD, "bot_not_found"), "ana") == Redriven(2)
    [again, _] = await claim(ledger)
    await send(ledger, again)
    await say(ledger, answer(again, Event.REJECTED, reason="http_500"))
    assert await ledger.queries.risk("b1") == Risk(safe=1, risky=1)


async def test_a_job_that_is_redriven_is_no_risk_any_more(ledger: Ledger, clock: Clock) -> None:
    await _three(ledger, clock)
    assert await ledger.queries.risk("b1", "http_500") == Risk(0, 1)
    assert (await ledger.operations.redrive("b1", DEAD, "ana", justification=WHY)).risky == 1
    assert await ledger.queries.risk("b1") == Risk(0, 0)
    assert not await ledger.redis.exists(keys.risk("b1"))
