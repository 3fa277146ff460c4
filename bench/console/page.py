"""The tables of docs/explanation/console-measures.md. Pure but for writing the page."""

from __future__ import annotations

from typing import Final

from bench.console.goals import answers_after, judge, missed
from bench.console.results import Results
from bench.environments import ROOT
from bench.report import put
from bench.tables import table

PAGE: Final = ROOT / "docs" / "explanation" / "console-measures.md"
BEGIN, END = "<!-- script/measure-console writes from here -->", "<!-- to here -->"


def into_page(results: Results) -> None:
    """Puts the tables between the page's marks. Raises: ValueError if it has none."""
    put(text(results), PAGE, BEGIN, END)


def text(results: Results) -> str:
    """All tables, the goals first."""
    parts = [
        "Measured on: " + ", ".join(f"{name} {value}" for name, value in results.about.items()) + ".",
        "The ledger: " + ", ".join(f"{count:,} {name}" for name, count in results.ledger.items()) + ".",
        "### Goals",
        _goals(results),
        "### Server time",
        _server(results),
    ]
    if results.views:
        parts += ["### In the browser", _views(results)]
    if results.changes:
        parts += ["### A change on the screen", _changes(results)]
    if results.calls or results.watched:
        parts += ["### Watchers", _watchers(results)]
    return "\n\n".join(parts)


def _goals(results: Results) -> str:
    words = {True: "met", False: "**not met**", None: "–"}
    rows = [[one.goal, one.wanted, one.measured, words[one.met]] for one in judge(results)]
    return table(["what", "goal", "measured", ""], rows)


def _server(results: Results) -> str:
    rows = [
        [
            f"**{page.name}**" if missed(page) else page.name,
            f"{page.idle.p50:,.0f} / {page.idle.p95:,.0f} / {page.idle.most:,.0f}",
            f"{page.busy.p50:,.0f} / {page.busy.p95:,.0f} / {page.busy.most:,.0f}",
            f"{page.server_cpu_ms:,.1f} + {page.redis_cpu_ms:,.1f}",
            f"{page.redis_calls:,}",
            f"{page.compressed_bytes / 1000:.1f}",
        ]
        for page in results.pages
    ]
    headers = ["page", "idle, ms", "a worker at full pace, ms", "CPU of server + Redis, ms"]
    return table([*headers, "Redis commands", "kB, compressed"], rows)


def _views(results: Results) -> str:
    rows = [
        [
            view.name,
            f"{view.first_paint_ms:,.0f}",
            f"{view.slow_first_paint_ms:,.0f}",
            f"{view.shift:.3f}",
            f"{view.next_paint_ms:,.0f}",
            f"{view.first_bytes / 1000:.1f}",
            f"{view.later_bytes / 1000:.1f}",
            "; ".join(view.problems) or "none",
        ]
        for view in results.views
    ]
    headers = ["page", "first paint, ms", "throttled, ms", "layout shift", "interaction to next paint, ms"]
    return table([*headers, "first visit, kB", "later, kB", "complaints"], rows)


def _changes(results: Results) -> str:
    rows = [
        [change.name, *(f"{ms:,.0f}" for ms in (change.shown.p50, change.shown.p95, change.shown.most))]
        for change in results.changes
    ]
    return table(["change", "median, ms", "95th percentile, ms", "most, ms"], rows)


def _watchers(results: Results) -> str:
    calls = table(
        ["pages open, nothing is sent", "Redis commands a second"],
        [[f"{pages}", f"{calls:,.0f}"] for pages, calls in results.calls.items()],
    )
    rows = [
        [
            answers_after(each),
            f"{sum(each.alone) / len(each.alone):,.0f}",
            f"{sum(each.beside) / len(each.beside):,.0f}",
            f"{each.kept:.1%}",
            ", ".join(
                f"{with_ / without:.0%}" for without, with_ in zip(each.alone, each.beside, strict=True)
            ),
        ]
        for each in results.watched
    ]
    headers = ["the API", "jobs/s alone", "with watchers", "share kept", "of each round"]
    return f"{calls}\n\n{table(headers, rows)}"
