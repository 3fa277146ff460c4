"""Draws the results as an SVG of bars, by hand: rectangles and words need no library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from bench.environments import ROOT
from bench.results import Results, pace
from bench.scenarios import SCENARIOS, Scenario
from bench.stage import Measured

PICTURE: Final = ROOT / "docs" / "explanation" / "performance.svg"

INK, FAINT = "#24292f", "#8c959f"
COLOURS: Final = {"ours": "#0969da", "peer": "#bc4c00", "bare": "#8c959f"}
LEGEND: Final = {"ours": "this program", "peer": "what a user would take instead", "bare": "bare loops"}

TITLE: Final = "Jobs a second and CPU a job of this program, its peers and bare loops"
WIDTH, NAMES, BARS, ROW, TOP = 900, 200, 430, 22, 64


def draw(results: Results, to: Path = PICTURE) -> None:
    """Jobs a second as bars, a panel a scenario; CPU a job beside each."""
    panels = [scenario for scenario in SCENARIOS.values() if results.of(scenario.name)]
    y, parts = TOP, list[str]()
    for scenario in panels:
        parts += _panel(results, scenario, y)
        y += ROW * len(results.of(scenario.name)) + 56
    to.write_text("\n".join([*head(TITLE, y), *_legend(), *parts, "</svg>"]) + "\n", encoding="utf-8")


def head(title: str, height: int) -> Iterator[str]:
    """A white sheet."""
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="sans-serif" font-size="12" fill="{INK}">'
    )
    yield f"<title>{title}</title>"
    yield f'<rect width="{WIDTH}" height="{height}" fill="white"/>'


def _legend() -> Iterator[str]:
    x = 20
    for family, words in LEGEND.items():
        yield f'<rect x="{x}" y="20" width="12" height="12" fill="{COLOURS[family]}"/>'
        yield f'<text x="{x + 18}" y="30">{words}</text>'
        x += 40 + 7 * len(words)


def _panel(results: Results, scenario: Scenario, y: int) -> Iterator[str]:
    runs = results.of(scenario.name)
    title = f"{scenario.title}: jobs/s{' to the 95th percent' if scenario.faults else ''}"
    longest = max([*map(pace, runs), scenario.bound or 0])
    yield f'<text x="20" y="{y + 6}" font-size="14" font-weight="bold">{escape(title)}</text>'
    first = y + 18
    for n, run in enumerate(runs):
        yield from _bar(run, longest, first + n * ROW)
    if scenario.bound:
        x = NAMES + BARS * scenario.bound / longest
        last = first + ROW * len(runs) - 4
        possible = f"{scenario.bound:,.0f}/s are possible"
        yield f'<path d="M{x:.1f} {first}V{last}" stroke="{INK}" stroke-dasharray="3 3"/>'
        yield f'<text x="{x:.1f}" y="{last + 13}" font-size="11" text-anchor="middle">{possible}</text>'


def _bar(run: Measured, longest: float, y: int) -> Iterator[str]:
    width = BARS * pace(run) / longest
    yield f'<text x="{NAMES - 8}" y="{y + 13}" text-anchor="end">{escape(run.contender)}</text>'
    yield f'<rect x="{NAMES}" y="{y}" width="{width:.1f}" height="{ROW - 4}" fill="{COLOURS[run.family]}"/>'
    yield f'<text x="{NAMES + BARS + 90}" y="{y + 13}" text-anchor="end">{pace(run):,.0f}/s</text>'
    cpu = f"{run.cpu_us:,.0f} µs of CPU a job"
    yield f'<text x="{WIDTH - 20}" y="{y + 13}" text-anchor="end" fill="{FAINT}">{cpu}</text>'
