"""What commands show: a batch, a job, a plan, causes; for people as tables, for programs as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from console.words import STATE_STYLES, STATE_WORDS, amount, clock, duration, widgets
from producers.plan import Plan
from provisioning.errors import InvalidJobError
from provisioning.job import Verdict
from provisioning.ledger import BatchStatus, JobRecord
from provisioning.lifecycle import State

VERDICT_WORDS = {
    Verdict.NEW: "new, to be sent",
    Verdict.REDRIVEN: "mended since they were given up, or cancelled: to be sent again",
    Verdict.DEAD: "given up before and not mended: not sent (provision redrive does)",
    Verdict.QUEUED: "already on their way",
    Verdict.SUCCEEDED: "already created: skipped",
    Verdict.CHANGED: "already created with another body: not sent",
    Verdict.IN_DOUBT: "in doubt: refused until resolved",
}

PROBLEMS_SHOWN = 20


def emit(value: Any) -> None:
    """One JSON object on a line of standard output."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def show_batch(out: Console, status: BatchStatus) -> None:
    """A batch at a glance: states, causes, bounds, what holds it back."""
    title = Text(status.name, style="bold")
    title.append(f"  {status.batch} · opened {clock(status.opened_at)}", style="dim")
    out.print(title)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(justify="right")
    table.add_column()
    table.add_column(style="dim", overflow="fold")
    for state, count in status.states.items():
        if count or state is State.SUCCEEDED:
            causes = status.causes.get(str(state), {})
            by_cause = sorted(causes.items(), key=lambda item: -item[1])
            table.add_row(
                f"{count:,}",
                Text(STATE_WORDS[state], style=STATE_STYLES.get(state, "")),
                ", ".join(f"{cause} {number:,}" for cause, number in by_cause),
            )
    out.print(Padding(table, (0, 0, 0, 2)))
    out.print(f"  {widgets(status.bounds, status.accepted)}", highlight=False)
    seconds = (status.settled_at or status.opened_at) - status.opened_at
    took = f" · settled after {duration(seconds)}" if status.settled and status.settled_at else ""
    out.print(f"  {amount(status.attempts, 'attempt')}{took}", highlight=False)
    for hold in status.holds:
        word = "paused" if hold.kind == "paused" else "brake on"
        said = f"  {word} since {clock(hold.at)} by {hold.by}: {hold.why}"
        out.print(Text(said, style="yellow"), soft_wrap=True)


def show_batches(out: Console, batches: Iterable[BatchStatus]) -> None:
    """All batches, one a line."""
    table = _table("batch", "name", "opened", "rows", "created", "dead", "in doubt", "open", "")
    for status in batches:
        unsettled = sum(status.states[s] for s in (State.QUEUED, State.CLAIMED, State.SENDING))
        table.add_row(
            status.batch,
            escape(status.name),
            clock(status.opened_at),
            f"{status.accepted:,}",
            f"{status.states[State.SUCCEEDED]:,}",
            f"{status.states[State.DEAD]:,}",
            f"{status.states[State.IN_DOUBT]:,}",
            f"{unsettled:,}",
            "held" if status.holds and unsettled else "settled" if status.settled else "running",
        )
    if table.row_count:
        out.print(table)
    else:
        out.print("no batches yet")


def show_jobs(out: Console, jobs: list[JobRecord]) -> None:
    """Jobs, one a line."""
    table = _table("job", "row", "key", "state", "reason", "attempts", "widget")
    for job in jobs:
        table.add_row(
            job.job_id,
            "" if job.row is None else str(job.row),
            escape(job.key),
            Text(STATE_WORDS[job.state], style=STATE_STYLES.get(job.state, "")),
            job.reason,
            str(len(job.attempts)),
            job.result.widget_id if job.result else "",
        )
    out.print(table)


def show_job(out: Console, job: JobRecord, body: bytes) -> None:
    """The whole story of a job on one screen; its widget's key is left out."""
    title = Text(job.job_id, style="bold")
    title.append("  ")
    title.append(STATE_WORDS[job.state], style=STATE_STYLES.get(job.state, ""))
    title.append(f" ({job.reason}) since {clock(job.at)}", style="dim")
    out.print(title)
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 2))
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    facts.add_row("key", Text(job.key))
    facts.add_row("credential", Text(job.credential))
    if job.row is not None:
        facts.add_row("row", str(job.row))
    if job.label:
        facts.add_row("label", Text(job.label))
    facts.add_row("widgets", widgets(job.bounds, 1).replace(" for 1 row", ""))
    if job.result:
        facts.add_row("widget id", job.result.widget_id)
        facts.add_row("bot id", job.result.bot_id)
        facts.add_row("created at", job.result.created_at)
    if job.not_before:
        facts.add_row("not before", clock(job.not_before))
    if job.worker:
        facts.add_row("held by", job.worker)
    facts.add_row("body", Text(body.decode("utf-8", "replace")))
    out.print(facts)
    if job.attempts:
        table = _table("#", "at", "took", "evidence", "status", "outcome", "cause", "next in", "worker")
        for attempt in job.attempts:
            table.add_row(
                str(attempt.n),
                clock(attempt.at),
                duration(attempt.seconds),
                attempt.evidence.replace("_", " "),
                "" if attempt.status is None else str(attempt.status),
                attempt.outcome.replace("_", " "),
                attempt.error,
                "" if attempt.next_delay is None else duration(attempt.next_delay),
                attempt.worker,
            )
        out.print(Padding(table, (1, 0, 0, 0)))
        for attempt in job.attempts:
            if attempt.message:
                out.print(Text(f"attempt {attempt.n}: {attempt.message}", style="dim"))
    for move in job.moves:
        was = f" (was {move.was})" if move.was else ""
        out.print(Text(f"{clock(move.at)}  {move.move}{was} by {move.by or 'nobody named'}", style="dim"))


def show_causes(out: Console, statuses: Iterable[BatchStatus], state: State) -> None:
    """Dead letters or doubts of batches, grouped by cause."""
    table = _table("batch", "cause", STATE_WORDS[state], "look at them with")
    for status in statuses:
        causes = status.causes.get(str(state), {})
        for cause, count in sorted(causes.items(), key=lambda item: -item[1]):
            look = f"provision jobs {status.name} --state {state} --reason {cause}"
            table.add_row(escape(status.name), cause, f"{count:,}", look)
    if table.row_count:
        out.print(table)
    else:
        out.print(f"nothing is {STATE_WORDS[state]}")


def show_problems(out: Console, plan: Plan) -> None:
    """What is wrong with a file, row by row."""
    table = _table("row", "column", "value", "what is wrong", "what to do")
    for problem in plan.problems[:PROBLEMS_SHOWN]:
        table.add_row(*(escape(cell) for cell in problem_cells(problem)))
    out.print(table)
    if plan.problem_count > PROBLEMS_SHOWN:
        out.print(f"… and {plan.problem_count - PROBLEMS_SHOWN:,} more: provision plan FILE --out errors.csv")


def problem_cells(problem: InvalidJobError) -> tuple[str, str, str, str, str]:
    """Row, column, value, what is wrong and what to do."""
    row = "" if problem.row is None else str(problem.row)
    return row, problem.field, problem.value, problem.message, problem.hint


def show_plan(out: Console, plan: Plan, pace: str, seconds: float | None) -> None:
    """What applying would do, in numbers."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 2))
    table.add_column(justify="right")
    table.add_column()
    for verdict, words in VERDICT_WORDS.items():
        if plan.verdicts[verdict]:
            table.add_row(f"{plan.verdicts[verdict]:,}", words)
    if plan.bad_rows:
        table.add_row(f"{plan.bad_rows:,}", Text("with problems", style="red"))
    out.print(table)
    if plan.to_send and seconds is not None:
        out.print(f"  about {duration(seconds)} at {pace} per credential", highlight=False)


def plan_json(plan: Plan, pace: str, seconds: float | None) -> dict[str, Any]:
    """A plan for programs; the problems come before it, an object a line."""
    return {
        "rows": plan.rows,
        "bad_rows": plan.bad_rows,
        "problems": plan.problem_count,
        "to_send": plan.to_send,
        "verdicts": {str(verdict): plan.verdicts[verdict] for verdict in Verdict},
        "pace": pace,
        "seconds": None if seconds is None else round(seconds, 1),
    }


def problem_json(problem: InvalidJobError) -> dict[str, Any]:
    """One problem for programs."""
    return {
        "row": problem.row,
        "column": problem.field,
        "value": problem.value,
        "problem": problem.message,
        "hint": problem.hint,
    }
