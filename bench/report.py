"""The results as Markdown: what the terminal shows is what the docs hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.drawing import PICTURE
from bench.environments import ROOT
from bench.goals import judge
from bench.judged import Judged
from bench.results import Results
from bench.scenarios import SCENARIOS, Scenario
from bench.stage import Measured
from bench.tables import table
from bench.weather import drawing as weather_drawing
from bench.weather import page as weather_page

PAGE: Final = ROOT / "docs" / "explanation" / "performance.md"
BEGIN, END = "<!-- script/bench writes from here -->", "<!-- to here -->"

_KEPT: Final = {
    "nothing": "memory only",
    "everysec": "append-only, synced every second",
    "always": "append-only, synced always",
}


def text(results: Results) -> str:
    """All tables, then the goals."""
    parts = [_about(results)]
    parts += [_scenario(results, scenario) for scenario in SCENARIOS.values() if results.of(scenario.name)]
    if results.enqueued:
        parts.append(_handing_over(results))
    if results.weathered:
        parts.append(weather_page.text(results))
    if results.failures:
        parts.append("### What came to nothing\n\n" + "\n".join(f"- {line}" for line in results.failures))
    parts.append("### Goals\n\n" + _goals(judge(results)))
    return "\n\n".join(parts)


def into_page(results: Results, page: Path = PAGE) -> None:
    """Puts the tables between the page's marks. Raises: ValueError if it has none."""
    pictures = [f"![Jobs a second and CPU a job]({PICTURE.name})"]
    if results.weathered:
        pictures.append(f"![Seconds to the last row in all weathers]({weather_drawing.PICTURE.name})")
    put("\n\n".join([*pictures, text(results)]), page, BEGIN, END)


def put(words: str, page: Path, begin: str, end: str) -> None:
    """Puts words between two marks of a page. Raises: ValueError if it has none."""
    before = page.read_text(encoding="utf-8")
    between = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not between.search(before):
        raise ValueError(f"{page.name} has no place for the results")
    page.write_text(between.sub(lambda _: f"{begin}\n\n{words}\n\n{end}", before), encoding="utf-8")


def _about(results: Results) -> str:
    return "Measured on: " + ", ".join(f"{name} {value}" for name, value in results.about.items()) + "."


def _scenario(results: Results, scenario: Scenario) -> str:
    bound = f"; at most {scenario.bound:,.0f} jobs/s are possible" if scenario.bound else ""
    rows = [_row(run) for run in results.of(scenario.name)]
    return (
        f"### {scenario.title[0].upper()}{scenario.title[1:]}\n\n`--scenario {scenario.name}`{bound}.\n\n"
        + table(
            [
                "",
                "in flight",
                "jobs/s",
                "to 95%",
                "CPU a job",
                "Redis' CPU",
                "peak memory",
                "POSTs",
                "duplicates",
            ],
            rows,
        )
    )


def _row(run: Measured) -> list[str]:
    return [
        run.contender if run.family == "peer" else f"**{run.contender}**",
        f"{run.processes} × {run.in_flight}",
        f"{run.jobs_s:,.0f}",
        f"{run.jobs_s_95:,.0f}",
        f"{run.cpu_us:,.0f} µs",
        f"{run.redis_us:,.0f} µs" if run.family != "bare" else "",
        f"{run.peak_bytes / 1e6:,.0f} MB",
        f"{run.posts:,} for {run.jobs:,} jobs",
        f"{run.duplicates}",
    ]


def _handing_over(results: Results) -> str:
    rows = [
        [
            one.contender if one.family == "peer" else f"**{one.contender}**",
            f"{one.enqueue_s:,.0f}",
            f"{one.redis_us:,.0f} µs",
            _KEPT[one.redis_keeps],
            f"{one.jobs:,}",
        ]
        for one in results.handed_over()
    ]
    return "### Handing over\n\n" + table(["", "rows/s", "Redis' CPU a row", "Redis keeps", "rows"], rows)


def _goals(judged: Sequence[Judged]) -> str:
    words = {True: "met", False: "**not met**", None: "–"}
    return table(
        ["goal", "wanted", "measured", ""],
        [[one.goal, one.wanted, one.measured, words[one.met]] for one in judged],
    )
