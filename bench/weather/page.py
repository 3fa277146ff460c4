"""What the weathers gave, as Markdown."""

from __future__ import annotations

from typing import Final

from bench.contenders import OURS, PLAIN_LOOP
from bench.results import Results
from bench.tables import table
from bench.weather.run import Weathered
from bench.weather.table import WEATHERS, Weather

HOW: Final = """\
`--scenario weather`: 200 ms, 100 in flight in all, a batch handed over to workers that are up and \
warm. Seconds from handing over (the start of `apply --detach`, or of the peer's command; the loop's \
go) to the last row's end, as each itself sees it. The *plain loop* is aiohttp and tenacity as \
anybody writes it in an hour: 100 rows at once, six attempts, full jitter under 0.5 s doubling to 30 \
s, `Retry-After` obeyed; the peers retry the same way. A run ends at three times the plain loop's \
time and 15 s, whatever is left then."""

Column = tuple[str, int]
"""A contender and the number of its workers."""


def text(results: Results) -> str:
    """How it was done, and a table: a weather a line, a contender a column."""
    shown = columns(results)
    rows = [
        [weather.title, *(_cell(weather, results.under(weather.name, *column)) for column in shown)]
        for weather in WEATHERS.values()
        if any(results.under(weather.name, *column) for column in shown)
    ]
    return f"### In all weathers\n\n{HOW}\n\n" + table(["", *map(title, shown)], rows)


def columns(results: Results) -> list[Column]:
    """Who was tried: the plain loop, this program by its number of workers, then the peers."""
    order = {PLAIN_LOOP.name: 0, OURS.name: 1}
    tried = {(run.contender, run.processes) for run in results.weathered}
    return sorted(tried, key=lambda column: (order.get(column[0], 2), column))


def title(column: Column) -> str:
    name, processes = column
    return name if processes == 1 else f"{name}, {processes} workers"


def _cell(weather: Weather, run: Weathered | None) -> str:
    if run is None:
        return "–"
    parts = [
        f"not done in {run.seconds:.0f} s: {run.unsettled} left" if run.unsettled else f"{run.seconds:.1f} s"
    ]
    if run.dead:
        parts.append(f"{run.dead} dead")
    if run.in_doubt:
        parts.append(f"{run.in_doubt} in doubt")
    if run.duplicates:
        parts.append(f"{run.duplicates} created twice")
    if weather.limits_posts:
        parts.append(f"{run.posts:,} POSTs")
    return ", ".join(parts)
