"""The matrix as a table for people: Markdown, aligned, as it stands in docs/explanation/crash-matrix.md."""

from __future__ import annotations

from collections.abc import Sequence

from tests.chaos.scenario import Scenario
from tests.chaos.verdict import Verdict

HEAD = ("scenario", "jobs", "in flight", "lost", "duplicate", "in doubt", "widgets", "bounds", "settled in")


def table(done: Sequence[tuple[Scenario, Verdict]]) -> str:
    """A line a scenario; a broken one is marked."""
    lines = [HEAD, *(_line(scenario, verdict) for scenario, verdict in done)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    ruled = [lines[0], tuple("-" * width for width in widths), *lines[1:]]
    return "\n".join(
        "| "
        + " | ".join(_cell(cell, width, i) for i, (cell, width) in enumerate(zip(line, widths, strict=True)))
        + " |"
        for line in ruled
    )


def _line(scenario: Scenario, verdict: Verdict) -> tuple[str, ...]:
    return (
        scenario.name + (" **broken**" if verdict.problems else ""),
        str(verdict.jobs),
        str(verdict.in_flight),
        str(verdict.lost),
        str(verdict.duplicate),
        str(verdict.in_doubt),
        str(verdict.widgets),
        f"{verdict.least} to {verdict.most}",
        f"{verdict.seconds:.1f} s",
    )


def _cell(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 0 else cell.rjust(width)
