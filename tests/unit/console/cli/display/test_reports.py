"""What people read: batches, jobs, plans and causes, on a terminal of 80 columns and in a pipe."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console

from console.cli.display.batch_report import (
    show_batch,
    show_batches,
    show_causes,
    word_of,
)
from console.cli.display.job_report import AT_ONCE, JobLines, show_job
from console.cli.display.plan_report import plan_json, show_plan, show_problems
from console.cli.display.standard_output import WIDE
from outcomes.causes import CauseCount, cause_json
from outcomes.story import Story, story_json, timeline
from producers.plan import Plan
from provisioning.attempt import Attempt, Bounds, Evidence, Outcome, Result
from provisioning.errors import InvalidJobError
from provisioning.job import Verdict
from provisioning.ledger import Act, BatchStatus, CauseGroup, Hold, JobRecord, Move
from provisioning.lifecycle import State
from provisioning.pace import Rate

KEY = "wk_live_never_to_be_shown"


def batch(name: str = "tenants", **states: int) -> BatchStatus:
    counts = dict.fromkeys(State, 0) | {State(state): count for state, count in states.items()}
    succeeded, doubted = counts[State.SUCCEEDED], counts[State.IN_DOUBT]
    fields = {
        "batch": "b7k2m9qx",
        "name": name,
        "opened_at": 0.0,
        "settled_at": 12.0,
        "accepted": sum(counts.values()),
        "states": counts,
        "bounds": {"least": succeeded, "most": succeeded + doubted},
        "attempts": sum(counts.values()),
        "causes": {"dead": {"bot_not_found": 1, "forbidden_bot": 2}} if counts[State.DEAD] else {},
        "holds": [],
        "meta": {},
        "owner": "default",
        "sources": [],
    }
    return msgspec.convert(fields, BatchStatus)


def job(state: State = State.SUCCEEDED) -> JobRecord:
    attempts = [
        Attempt(1, 0.0, 0.2, Outcome.FAILED, Evidence.ANSWERED, 500, "http_500", "Try later", 0.5, "w-1"),
        Attempt(2, 1.0, 0.1, Outcome.CREATED, Evidence.ANSWERED, 200, worker="w-1"),
    ]
    return JobRecord(
        job_id="b7k2m9qx.17",
        batch="b7k2m9qx",
        number=17,
        key="a-[red]key[/red]",
        credential="default",
        row=18,
        label="",
        state=state,
        reason="created",
        at=1.0,
        bounds=Bounds(1, 2),
        attempts=attempts,
        moves=[],
        result=Result("w-1", KEY, bot_id="100200300"),
    )


def terminal(width: int = 80) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False), stream


def test_a_batch_is_understood_at_a_glance() -> None:
    out, text = terminal()
    show_batch(out, batch(succeeded=95, dead=3, in_doubt=2))
    said = text.getvalue()
    assert "95  created" in said
    assert "3  dead      2 forbidden_bot, 1 bot_not_found" in said
    assert "between 95 and 97 widgets exist for 100 rows" in said
    assert "why dead: provision dead-letters tenants" in said
    assert "why in doubt: provision in-doubt tenants" in said
    assert max(map(len, said.splitlines())) <= 80


def test_a_batch_without_trouble_says_nothing_of_trouble() -> None:
    out, text = terminal()
    show_batch(out, batch(succeeded=5))
    assert "dead" not in text.getvalue()
    assert "doubt" not in text.getvalue()
    assert "exactly 5 widgets exist for 5 rows" in text.getvalue()


def test_a_hold_says_since_when_by_whom_and_why() -> None:
    out, text = terminal()
    held = batch(queued=5)
    held.holds.append(Hold("credential:default", 0.0, "w-1", "401: wrong secret", "brake"))
    show_batch(out, held)
    assert "brake on credential default since" in text.getvalue()
    assert "by w-1: 401: wrong secret" in text.getvalue()


@pytest.mark.parametrize("name", ["tenants", "2024-05_eu.west"])
def test_a_plain_name_is_what_a_batch_is_called_in_a_command(name: str) -> None:
    assert word_of(batch(name)) == name


@pytest.mark.parametrize("name", ["two words", "$(reboot)", "-rf", "a;b", ""])
def test_a_name_that_a_shell_would_misread_gives_way_to_the_id(name: str) -> None:
    assert word_of(batch(name)) == "b7k2m9qx"


def test_all_batches_fit_80_columns() -> None:
    out, text = terminal()
    show_batches(out, [batch(succeeded=99_999, dead=3, queued=100_000), batch("other", succeeded=1)])
    first, second = text.getvalue().splitlines()[1:]
    assert "100,000 left" in first
    assert second.rstrip().endswith("settled")
    assert max(map(len, text.getvalue().splitlines())) <= 80
    assert "cancelled" not in text.getvalue()


def test_cancelled_jobs_have_a_column_where_there_are_any() -> None:
    out, text = terminal()
    show_batches(out, [batch(succeeded=99_999, queued=100_000), batch("other", cancelled=12_345)])
    head, _, second = text.getvalue().splitlines()
    assert "other" in second
    assert second.rindex("12,345") + len("12,345") == head.index("cancelled") + len("cancelled")
    assert max(map(len, text.getvalue().splitlines())) <= 80


def story(told: JobRecord, body: str | None = "{}", *, acts: list[Act] | None = None, **meta: str) -> Story:
    of = msgspec.structs.replace(batch(succeeded=1), meta=meta)
    return Story(told, of, body, acts or [])


def test_a_jobs_story_is_told_without_its_widgets_key_and_takes_no_text_for_markup() -> None:
    out, text = terminal()
    show_job(out, story(job(), '{"bot":{"id":"100200300"}}'))
    lines = JobLines(out)
    lines.add(job())
    lines.end()
    said = text.getvalue()
    assert KEY not in said
    assert KEY not in msgspec.json.encode(story_json(story(job()))).decode()
    assert "a-[red]key[/red]" in said
    assert "attempt 1: 500 (answered, 0.20 s), again after 0.50 s" in said
    assert "attempt 2: 200 created (answered, 0.10 s)" in said
    assert "Try later" in said
    assert "sent by w-1" in said
    assert max(map(len, said.splitlines())) <= 80


def test_a_body_that_is_not_kept_any_more_is_said_to_be_so() -> None:
    out, text = terminal()
    show_job(out, story(job(), None, source="tenants.csv", by="ana"))
    assert "deleted (retention)" in text.getvalue()
    assert "tenants.csv" in text.getvalue()
    assert "accepted by ana" in text.getvalue()


def test_a_story_is_told_in_the_order_in_which_it_happened() -> None:
    redriven = Move("redriven", at=0.5, by="ana", was="http_500", why="the console shows none")
    paused = Act("pause", 0.7, "bob", "batch:b7k2m9qx")
    told = timeline(story(msgspec.structs.replace(job(), moves=[redriven]), acts=[paused], by="ana"))
    assert [str(line.text).partition(":")[0] for line in told] == [
        "accepted by ana",
        "attempt 1",
        "redriven by ana, was http_500, because the console shows none",
        "batch",
        "attempt 2",
    ]
    assert str(told[3].text) == "batch:b7k2m9qx paused by bob"


def test_of_a_batch_that_goes_on_nobody_knows_when_a_job_was_accepted() -> None:
    assert timeline(story(job()))[0].at == 0.0
    assert timeline(story(job(), urgent="1"))[0].at is None


def test_an_attempt_that_a_brake_took_back_is_not_counted() -> None:
    refused = Attempt(1, 0.0, 0.2, Outcome.DENIED, Evidence.ANSWERED, 401, "unauthorized", worker="w-1")
    told = timeline(story(msgspec.structs.replace(job(), attempts=[refused])))
    assert str(told[1].text) == "attempt 1: 401 unauthorized (answered, 0.20 s), not counted"


def test_attempts_of_several_workers_are_told_apart() -> None:
    out, text = terminal(120)
    first, second = job().attempts
    other = msgspec.structs.replace(second, worker="w-2")
    show_job(out, story(msgspec.structs.replace(job(), attempts=[first, other])))
    said = text.getvalue()
    assert "attempt 1: 500 (answered, 0.20 s, w-1)" in said
    assert "attempt 2: 200 created (answered, 0.10 s, w-2)" in said


def test_what_holds_a_job_back_is_told_while_it_waits() -> None:
    out, text = terminal(120)
    held = story(job(State.QUEUED))
    held.batch.holds.append(Hold("batch:b7k2m9qx", 0.0, "ana", "lunch", "paused"))
    held.batch.holds.append(Hold("credential:other", 0.0, "w-1", "401", "brake"))
    show_job(out, held)
    assert "by ana: lunch" in text.getvalue()
    assert "401" not in text.getvalue()


def test_a_doubt_comes_with_the_two_commands_that_settle_it() -> None:
    out, text = terminal()
    show_job(out, story(job(State.IN_DOUBT)))
    assert "provision resolve b7k2m9qx.17 --created" in text.getvalue()
    assert "provision resolve b7k2m9qx.17 --absent" in text.getvalue()


def test_a_long_list_of_jobs_has_one_head_and_straight_columns() -> None:
    out, text = terminal(WIDE)
    lines = JobLines(out)
    for number in range(2 * AT_ONCE + 1):
        lines.add(msgspec.structs.replace(job(), row=number + 2))
    lines.end()
    head, *rows = text.getvalue().splitlines()
    assert len(rows) == 2 * AT_ONCE + 1
    assert {row.index("created") for row in rows} == {head.index("state")}


def test_causes_come_with_an_example_and_the_way_on() -> None:
    out, text = terminal(200)
    group = CauseGroup("bot_not_found", 3, 1, first=0.0, last=200_000.0, example=17)
    last = Attempt(2, 1.0, 0.1, Outcome.REJECTED, Evidence.ANSWERED, 404, message="Unknown bot")
    example = msgspec.structs.replace(job(State.DEAD), attempts=[job().attempts[0], last])
    show_causes(out, [CauseCount(batch(dead=3), group, example)], State.DEAD)
    assert "b7k2m9qx.17: Unknown bot" in text.getvalue()
    assert "provision jobs tenants --state dead --reason bot_not_found" in text.getvalue()
    assert " to " in text.getvalue()
    assert "Fix bot.id in failed.csv" in text.getvalue()
    assert "1 of these may have a widget" in text.getvalue()
    show_causes(out, [], State.IN_DOUBT)
    assert text.getvalue().endswith("nothing is in doubt\n")


def test_the_example_of_a_cause_does_not_say_what_an_earlier_attempt_was_answered() -> None:
    lapsed = Attempt(2, 1.0, 0.1, Outcome.IN_DOUBT, Evidence.SENT, error="lease_lapsed")
    example = msgspec.structs.replace(job(State.IN_DOUBT), attempts=[job().attempts[0], lapsed])
    group = CauseGroup("lease_lapsed", 1, 1, first=0.0, last=0.0, example=17)
    assert cause_json(CauseCount(batch(in_doubt=1), group, example), State.IN_DOUBT)["message"] == ""


def test_a_plan_says_what_it_would_do_and_how_long_it_takes() -> None:
    plan = Plan(rows=100, bad_rows=1, repeated=1)
    plan.verdicts.update({Verdict.NEW: 90, Verdict.SUCCEEDED: 9})
    plan.to_send_by.update({"one": 75, "two": 15})
    plan.paces.update({"one": Rate(5.0), "two": Rate(5.0)})
    out, text = terminal()
    show_plan(out, plan)
    assert "90  new: will be sent" in text.getvalue()
    assert " 9  already created: skipped" in text.getvalue()
    assert "1  with problems, 1 with the key of another row" in text.getvalue()
    assert "at least 15 s at 5/s per credential; retries come on top" in text.getvalue()
    assert plan_json(plan, Rate(5.0))["seconds"] == 15.0


def test_a_plan_without_a_pace_promises_no_time() -> None:
    plan = Plan(rows=1)
    plan.to_send_by["one"] += 1
    plan.paces["one"] = Rate(None)
    assert plan_json(plan, Rate(None))["seconds"] is None


def test_problems_beyond_a_screenful_are_counted() -> None:
    plan = Plan(rows=30, bad_rows=30, problem_count=30)
    plan.problems += [InvalidJobError("no bot id", row=n, field="bot.id") for n in range(2, 32)]
    out, text = terminal()
    show_problems(out, plan)
    assert "… and 10 more" in text.getvalue()
