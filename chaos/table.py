"""The matrix as a table for people: Markdown, aligned, as it stands in docs/explanation/crash-matrix.md."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.scenario import Scenario
from chaos.verdict import Verdict

HEAD = ("scenario", "jobs", "in flight", "lost", "duplicate", "in doubt", "widgets", "bounds", "settled in")

PRICES = ("scenario", "jobs", "lost", "duplicate", "in silence", "in doubt", "widgets", "bounds", "true")


def table(done: Sequence[tuple[Scenario, Verdict]]) -> str:
    """A line a scenario whose promises are demanded; a broken one is marked; empty if none was played."""
    lines = [_line(each, verdict) for each, verdict in done if not each.priced]
    return _aligned([HEAD, *lines]) if lines else ""


def prices(done: Sequence[tuple[Scenario, Verdict]]) -> str:
    """A line a scenario that shows what a configuration costs; empty if none was played."""
    lines = [_price(each, verdict) for each, verdict in done if each.priced]
    return _aligned([PRICES, *lines]) if lines else ""


def _aligned(lines: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
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


def _price(scenario: Scenario, verdict: Verdict) -> tuple[str, ...]:
    return (
        scenario.name + (" **broken**" if verdict.problems else ""),
        str(verdict.jobs),
        str(verdict.lost),
        str(verdict.duplicate),
        str(verdict.silent),
        str(verdict.in_doubt),
        str(verdict.widgets),
        f"{verdict.least} to {verdict.most}",
        "yes" if verdict.least <= verdict.widgets <= verdict.most else "no",
    )


def _cell(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 0 else cell.rjust(width)
