"""Draws the weathers as an SVG: a line a weather, a mark a contender where its last row ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from bench.contenders import OURS, PLAIN_LOOP, UNDER_WEATHER
from bench.drawing import COLOURS, FAINT, INK, head
from bench.environments import ROOT
from bench.results import Results
from bench.weather.goals import AND_SECONDS, OF_THE_LOOP, limit
from bench.weather.page import Column, columns, title
from bench.weather.run import Weathered
from bench.weather.table import WEATHERS

PICTURE: Final = ROOT / "docs" / "explanation" / "performance-weather.svg"

WIDTH, LEFT, RIGHT, ROW, TOP = 900, 340, 860, 24, 96
ANOTHER_PEER: Final = "#bf8700"
PEERS: Final = [contender for contender in UNDER_WEATHER if contender.family == "peer"]
TICKS: Final = (5, 10, 20, 50, 100, 200, 500)
"""Seconds between two lines: the first by which there are no more than eight."""


def draw(results: Results, to: Path = PICTURE) -> None:
    """Seconds from handing over to the last row's end, with how late this program may be at most."""
    shown = [
        (weather, runs)
        for weather in WEATHERS.values()
        if (runs := [run for column in columns(results) if (run := results.under(weather.name, *column))])
    ]
    longest = max(run.seconds for _, runs in shown for run in runs)
    height = TOP + ROW * len(shown) + 16
    parts = [*_legend(columns(results)), *_axis(longest, height)]
    for n, (weather, runs) in enumerate(shown):
        y = TOP + ROW * n + ROW // 2
        parts.append(f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(weather.title)}</text>')
        parts.append(f'<path d="M{LEFT} {y}H{RIGHT}" stroke="{FAINT}" stroke-opacity="0.3"/>')
        parts += (_mark(run, _x(run.seconds, longest), y) for run in reversed(runs))  # the first on top
        parts += (
            f'<path d="M{_x(limit(run), longest):.1f} {y - 8}v16" stroke="{INK}"/>'
            for run in runs
            if run.contender == PLAIN_LOOP.name and limit(run) <= longest
        )
    words = "Seconds from handing over to the last row's end, in all weathers"
    to.write_text("\n".join([*head(words, height), *parts, "</svg>"]) + "\n", encoding="utf-8")


def _legend(shown: list[Column]) -> Iterator[str]:
    x = 20
    for column in shown:
        yield _shape(column, x + 6, 24)
        yield f'<text x="{x + 18}" y="28">{title(column)}</text>'
        x += 40 + 7 * len(title(column))
    words = f"stroke: {OF_THE_LOOP:g} times the plain loop's and {AND_SECONDS:g} s; cross: rows are left then"
    yield f'<text x="20" y="50" fill="{FAINT}">{words}</text>'


def _axis(longest: float, height: int) -> Iterator[str]:
    step = next(tick for tick in TICKS if longest / tick <= 8 or tick == TICKS[-1])
    for seconds in range(0, int(longest) + 1, step):
        x = _x(seconds, longest)
        yield f'<path d="M{x:.1f} {TOP - 6}V{height - 12}" stroke="{FAINT}" stroke-opacity="0.3"/>'
        yield f'<text x="{x:.1f}" y="{TOP - 12}" text-anchor="middle" fill="{FAINT}">{seconds} s</text>'


def _mark(run: Weathered, x: float, y: float) -> str:
    if run.unsettled:
        colour = _colour(run.contender)
        return f'<path d="M{x - 5:.1f} {y - 5}l10 10m0 -10l-10 10" stroke="{colour}" stroke-width="2"/>'
    return _shape((run.contender, run.processes), x, y)


def _shape(column: Column, x: float, y: float) -> str:
    name, processes = column
    fill = "white" if processes > 1 else _colour(name)
    return (
        f'<circle cx="{x:.1f}" cy="{y}" r="5" fill="{fill}" fill-opacity="0.8" '
        f'stroke="{_colour(name)}" stroke-width="2"/>'
    )


def _colour(name: str) -> str:
    if name == PEERS[-1].name:
        return ANOTHER_PEER
    return COLOURS["ours" if name == OURS.name else "bare" if name == PLAIN_LOOP.name else "peer"]


def _x(seconds: float, longest: float) -> float:
    return LEFT + (RIGHT - LEFT) * seconds / longest
