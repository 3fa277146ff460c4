"""One row of a file as it will be sent, for people, and for `--json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text as StyledText

from console.cli.display.plan_report import VERDICT_WORDS, problem_json, problem_table
from console.cli.display.tables import facts, indented
from console.cli.language import tr
from outcomes.masking import masked
from outcomes.words import shown
from provisioning.errors import InvalidJobError
from provisioning.job import NewJob, Verdict


def show_row(out: Console, found: NewJob | Sequence[InvalidJobError], verdict: Verdict | None) -> None:
    """
    The body of a row a member a line, with possible secrets masked, and its identity; or its problems.

    Args:
        verdict: None for a row with problems.
    """
    if not isinstance(found, NewJob) or verdict is None:
        out.print(problem_table(() if isinstance(found, NewJob) else found))
        return
    table = facts()
    table.add_row(tr("key"), shown(found.key))
    table.add_row(tr("credential"), shown(found.credential))
    if found.label:
        table.add_row(tr("label"), shown(found.label))
    table.add_row(tr("verdict"), tr(VERDICT_WORDS[verdict]))
    out.print(indented(table))
    out.print()
    for line in msgspec.json.format(masked(found.body), indent=2).splitlines():
        out.print(StyledText(shown(line)), soft_wrap=True)


def row_json(
    number: int, found: NewJob | Sequence[InvalidJobError], verdict: Verdict | None
) -> dict[str, Any]:
    """One row for programs; of a row with problems, all but those and its number are null."""
    job = found if isinstance(found, NewJob) else None
    problems: Sequence[InvalidJobError] = () if isinstance(found, NewJob) else found
    return {
        "row": number,
        "key": job and job.key,
        "credential": job and job.credential,
        "label": job and job.label,
        "verdict": verdict and str(verdict),
        "body": job and msgspec.Raw(masked(job.body).encode()),
        "problems": [problem_json(problem) for problem in problems],
    }
