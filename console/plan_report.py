"""A plan as people read it, and as `--json` shows it."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from console.tables import facts, indented, listing
from console.words import duration, shown
from producers.plan import Plan
from provisioning.errors import InvalidJobError
from provisioning.job import Verdict
from provisioning.pace import Rate

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


def show_plan(out: Console, plan: Plan, pace: Rate) -> None:
    """What applying would do, in numbers."""
    table = facts(numbers=True)
    for verdict, words in VERDICT_WORDS.items():
        if plan.verdicts[verdict]:
            table.add_row(f"{plan.verdicts[verdict]:,}", words)
    if plan.bad_rows:
        table.add_row(f"{plan.bad_rows:,}", Text("with problems", style="red"))
    out.print(indented(table))
    seconds = seconds_to_send(plan, pace)
    if plan.to_send and seconds is not None:
        out.print(f"  about {duration(seconds)} at {pace} per credential")


def seconds_to_send(plan: Plan, pace: Rate) -> float | None:
    """How long sending takes at this pace, the busiest credential setting it; None if there is no pace."""
    if pace.per_second is None or not plan.credentials:
        return None
    share = max(plan.credentials.values()) / plan.credentials.total()
    return plan.to_send * share / pace.per_second


def show_problems(out: Console, plan: Plan) -> None:
    """What is wrong with a file, row by row."""
    table = listing("row", "column", "value", "what is wrong", "what to do", wraps=_WORDY, numbers=("row",))
    for problem in plan.problems[:PROBLEMS_SHOWN]:
        table.add_row(*(shown(cell) for cell in problem_cells(problem)))
    out.print(table)
    if plan.problem_count > PROBLEMS_SHOWN:
        out.print(f"… and {plan.problem_count - PROBLEMS_SHOWN:,} more: provision plan FILE --out errors.csv")


_WORDY = ("column", "value", "what is wrong", "what to do")


def problem_cells(problem: InvalidJobError) -> tuple[str, str, str, str, str]:
    """Row, column, value, what is wrong and what to do."""
    row = "" if problem.row is None else str(problem.row)
    return row, problem.field, problem.value, problem.message, problem.hint


def plan_json(plan: Plan, pace: Rate) -> dict[str, Any]:
    """A plan for programs; the problems come before it, an object a line."""
    seconds = seconds_to_send(plan, pace)
    return {
        "rows": plan.rows,
        "bad_rows": plan.bad_rows,
        "problems": plan.problem_count,
        "to_send": plan.to_send,
        "verdicts": {str(verdict): plan.verdicts[verdict] for verdict in Verdict},
        "pace": str(pace),
        "seconds": None if seconds is None else round(seconds, 1),
    }


def problem_json(problem: InvalidJobError) -> dict[str, Any]:
    """One problem for programs."""
    return {
        "row": problem.row,
        "column": problem.field,
        "value": shown(problem.value),
        "problem": shown(problem.message),
        "hint": shown(problem.hint),
    }
