"""A plan says of every row what applying would do with it, and how long that takes at the pace of now."""

from __future__ import annotations

import io

import pytest

from producers import plan as plans
from producers.files.reading import Reading
from producers.plan import Plan, make_plan
from producers.submit import submit
from provisioning.errors import InvalidJobError
from provisioning.job import NewJob, Verdict
from provisioning.ledger import Ledger
from provisioning.lifecycle import Event
from provisioning.pace import Rate
from tests.support.ledger_fixtures import answer, claim, say, send

HEAD = "key,credential,bot.id\n"


async def plan_of(ledger: Ledger, rows: str, rate: str = "5/s") -> Plan:
    with Reading(io.BytesIO((HEAD + rows).encode())) as reading:
        return await make_plan(ledger, reading, rate=Rate.parse(rate))


async def apply(ledger: Ledger, rows: str) -> str:
    with Reading(io.BytesIO((HEAD + rows).encode())) as reading:
        jobs = [item for item in reading if isinstance(item, NewJob)]
    return (await submit(ledger, jobs, name="t", actor="ana", notify=lambda _: None)).batch


async def test_every_verdict_is_told(ledger: Ledger) -> None:
    rows = "created,,1\nchanged,,2\ndead,,3\nmended,,4\ndoubted,,5\nrisky,,6\nqueued,,7\nreplaced,,8\n"
    batch = await apply(ledger, rows)
    jobs = {job.key: job for job in await claim(ledger, 6, batch=batch)}
    ends = {
        "created": Event.CREATED,
        "changed": Event.CREATED,
        "dead": Event.REJECTED,
        "mended": Event.REJECTED,
        "doubted": Event.DOUBTED,
        "risky": Event.EXHAUSTED,
    }
    for key, event in ends.items():
        assert await send(ledger, jobs[key])
        await say(ledger, answer(jobs[key], event), batch=batch)

    for row in ("changed,,2", "mended,,4", "risky,,6", "replaced,,8"):
        rows = rows.replace(row, row + "0")
    plan = await plan_of(ledger, rows + "new,,9\n")

    # Only a token without `operate` leaves what had ended; whoever plans may have it done again.
    assert dict(plan.verdicts) == dict.fromkeys(set(Verdict) - {Verdict.ENDED}, 1)
    assert plan.to_send == 2


async def test_a_key_repeated_within_the_file_is_counted_and_a_bad_row(ledger: Ledger) -> None:
    plan = await plan_of(ledger, "a,,1\nb,,2\na,,3\na,other,4\nb,,\n")
    assert (plan.rows, plan.bad_rows, plan.repeated, plan.to_send) == (5, 2, 1, 3)
    assert "row 2 has it too" in plan.problems[0].message


async def test_the_slowest_credential_sets_the_time(ledger: Ledger) -> None:
    plan = await plan_of(ledger, "a,x,1\nb,x,2\nc,x,3\nd,y,4\n", rate="2/s")
    assert (plan.slowest, plan.seconds) == ("x", 1.5)


async def test_a_pace_that_an_operator_has_set_counts(ledger: Ledger) -> None:
    await ledger.operations.set_pace("y", Rate.parse("30/m"))
    plan = await plan_of(ledger, "a,x,1\nb,x,2\nc,x,3\nd,y,4\n", rate="2/s")
    assert (plan.slowest, plan.seconds) == ("y", 2.0)
    assert str(plan.paces["y"]) == "30/m"


async def test_what_is_not_sent_takes_no_time(ledger: Ledger) -> None:
    await apply(ledger, "a,x,1\n")
    assert (await plan_of(ledger, "a,x,1\n")).seconds is None
    assert (await plan_of(ledger, "b,x,1\n", rate="unlimited")).seconds is None


async def test_all_problems_are_told_while_few_are_kept(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "SHOWN", 3)
    told: list[InvalidJobError] = []
    with Reading(io.BytesIO((HEAD + "a,,#REF!\n" * 50).encode())) as reading:
        plan = await make_plan(ledger, reading, on_problem=told.append)
    assert (len(told), plan.problem_count, len(plan.problems)) == (50, 50, 3)


async def test_a_plan_writes_nothing(ledger: Ledger) -> None:
    await plan_of(ledger, "a,,1\nb,,2\n")
    assert await ledger.redis.keys("*") == []
