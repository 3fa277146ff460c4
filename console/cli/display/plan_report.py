"""A plan for people, and for `--json`."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from console.cli.display.tables import facts, indented, listing
from outcomes.words import duration, shown
from producers.plan import Plan
from provisioning.errors import InvalidJobError
from provisioning.job import Verdict
from provisioning.pace import Rate

VERDICT_WORDS = {
    Verdict.NEW: "new: will be sent",
    Verdict.REDRIVEN: "dead or cancelled before: will be sent again",
    Verdict.DEAD: "dead before, not changed: not sent (use provision redrive)",
    Verdict.RISKY: "dead before, may have created a widget: not sent without --accept-duplicates",
    Verdict.ENDED: "dead or cancelled before: not sent",
    Verdict.QUEUED: "already queued or being sent",
    Verdict.REPLACED: "queued with another body, not attempted: replaced",
    Verdict.SUCCEEDED: "already created: skipped",
    Verdict.CHANGED: "already created or attempted with another body: not sent",
    Verdict.IN_DOUBT: "in doubt: not sent until resolved",
}

PROBLEMS_SHOWN = 20


def show_plan(out: Console, plan: Plan) -> None:
    """What applying would do, in numbers."""
    table = facts(numbers=True)
    for verdict, words in VERDICT_WORDS.items():
        if plan.verdicts[verdict]:
            table.add_row(f"{plan.verdicts[verdict]:,}", words)
    if plan.bad_rows:
        again = f", {plan.repeated:,} with the key of another row" if plan.repeated else ""
        table.add_row(f"{plan.bad_rows:,}", Text("with problems" + again, style="red"))
    out.print(indented(table))
    if (slowest := plan.slowest) and plan.seconds is not None:
        of = f" of {shown(slowest)}" if len(set(map(str, plan.paces.values()))) > 1 else " per credential"
        out.print(f"  at least {duration(plan.seconds)} at {plan.paces[slowest]}{of}; retries come on top")
    elif plan.to_send and plan.paces:
        out.print("  no rate limit; concurrency rises until the API slows down")


def show_problems(out: Console, plan: Plan) -> None:
    """What is wrong with a file, row by row."""
    table = listing("row", "column", "value", "problem", "what to do", wraps=_WORDY, numbers=("row",))
    for problem in plan.problems[:PROBLEMS_SHOWN]:
        table.add_row(*(shown(cell) for cell in problem_cells(problem)))
    out.print(table)
    if plan.problem_count > PROBLEMS_SHOWN:
        out.print(f"… and {plan.problem_count - PROBLEMS_SHOWN:,} more: provision plan FILE --out errors.csv")


_WORDY = ("column", "value", "problem", "what to do")


def problem_cells(problem: InvalidJobError) -> tuple[str, str, str, str, str]:
    """Row, column, value, problem and what to do."""
    row = "" if problem.row is None else str(problem.row)
    return row, problem.field, problem.value, problem.message, problem.hint


def plan_json(plan: Plan, rate: Rate) -> dict[str, Any]:
    """A plan for programs; the problems come before it, an object a line."""
    pace = plan.paces.get(plan.slowest or "", rate)
    return {
        "rows": plan.rows,
        "bad_rows": plan.bad_rows,
        "repeated": plan.repeated,
        "problems": plan.problem_count,
        "to_send": plan.to_send,
        "verdicts": {str(verdict): plan.verdicts[verdict] for verdict in Verdict},
        "pace": str(pace),
        "seconds": None if plan.seconds is None else round(plan.seconds, 1),
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
