"""A plan for people, and for `--json`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text as StyledText

from console.cli.display.tables import facts, indented, listing
from console.cli.language import number, tr
from outcomes.words import duration, shown
from producers.plan import Plan
from provisioning.errors import InvalidJobError
from provisioning.job import Verdict
from provisioning.pace import Rate
from provisioning.text import Text, marked

VERDICT_WORDS = {
    Verdict.NEW: Text("new: will be sent"),
    Verdict.REDRIVEN: Text("dead or cancelled before: will be sent again"),
    Verdict.DEAD: Text("dead before, not changed: not sent (use provision redrive)"),
    Verdict.RISKY: Text("dead before, may have created a widget: not sent without --accept-duplicates"),
    Verdict.ENDED: Text("dead or cancelled before: not sent"),
    Verdict.QUEUED: Text("already queued or being sent"),
    Verdict.REPLACED: Text("queued with another body, not attempted: replaced"),
    Verdict.SUCCEEDED: Text("already created: skipped"),
    Verdict.CHANGED: Text("already created or attempted with another body: not sent"),
    Verdict.IN_DOUBT: Text("in doubt: not sent until resolved"),
}

PROBLEMS_SHOWN = 20


def show_plan(out: Console, plan: Plan) -> None:
    """What applying would do, in numbers."""
    table = facts(numbers=True)
    for verdict, words in VERDICT_WORDS.items():
        if plan.verdicts[verdict]:
            table.add_row(number(plan.verdicts[verdict]), tr(words))
    if plan.bad_rows:
        words = Text("with problems")
        if plan.repeated:
            words = Text("with problems, {count:,} with the key of another row", count=plan.repeated)
        table.add_row(number(plan.bad_rows), StyledText(tr(words), style="red"))
    out.print(indented(table))
    if (slowest := plan.slowest) and plan.seconds is not None:
        pace = Text("{pace} per credential", pace=plan.paces[slowest])
        if len(set(map(str, plan.paces.values()))) > 1:
            pace = Text("{pace} of {credential}", pace=plan.paces[slowest], credential=shown(slowest))
        least = duration(plan.seconds)
        out.print("  " + tr("at least {time} at {pace}; retries come on top", time=least, pace=pace))
    elif plan.to_send and plan.paces:
        out.print("  " + tr("no rate limit; concurrency rises until the API slows down"))


def show_problems(out: Console, plan: Plan) -> None:
    """What is wrong with a file, row by row."""
    out.print(problem_table(plan.problems[:PROBLEMS_SHOWN]))
    if plan.problem_count > PROBLEMS_SHOWN:
        more = plan.problem_count - PROBLEMS_SHOWN
        out.print(tr("… and {count:,} more: provision plan FILE --out errors.csv", count=more))


def problem_table(problems: Iterable[InvalidJobError]) -> Table:
    """Problems of rows, each on a line, with what to do about it."""
    table = listing("row", *_WORDY, wraps=_WORDY, numbers=("row",))
    for problem in problems:
        table.add_row(*(shown(cell) for cell in problem_cells(problem)))
    return table


_WORDY = marked("column", "value", "problem", "what to do")


def problem_cells(problem: InvalidJobError) -> tuple[str, str, str, str, str]:
    """Row, column, value, problem and what to do, for people."""
    row = "" if problem.row is None else str(problem.row)
    return row, problem.field, problem.value, tr(problem.text), tr(problem.advice)


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
