"""
The web console on a large ledger: server time, what a browser shows, changes on the screen, watchers.

    script/measure-console                         a million jobs, some fifteen minutes; prints the tables
    script/measure-console 20000                   so many jobs
    script/measure-console --ledger FOLDER         keeps the filled ledger there, and uses it again
    script/measure-console --requests 50 --visits 1 --changes 5 --rounds 3 --seconds 5
                                                   less of each
    script/measure-console --json FILE             the numbers as JSON
    script/measure-console --docs                  and the page and its JSON anew
    script/measure-console --draw                  the page from its JSON

A Valkey, the server, a worker, nginx as the API and a headless Chromium: processes of their own on loopback,
gone in the end.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, NoReturn

from bench.console import browsing, page, pages, watching
from bench.console.results import FILE, Results
from bench.console.stage import Stage, standing, under_load
from bench.results import about
from bench.server import nginx

SLOW_API: Final = 0.2
"""Seconds to an answer of an API such as the real one; the other answers at once."""


@dataclass(frozen=True)
class Extent:
    """
    How much is measured.

    Attributes:
        requests: of each page, idle and busy.
        visits: of each page, on each network.
        changes: of each kind.
        rounds: of a worker's pace with and without watchers, of `seconds` each.
        watchers: pages that are open.
        queue: jobs that are handed over to the worker at a time.
        only: names of pages; all if there are none.
    """

    requests: int = 60
    visits: int = 3
    changes: int = 40
    rounds: int = 5
    seconds: float = 8.0
    watchers: int = 50
    queue: int = 100_000
    only: Sequence[str] = ()


def main(arguments: list[str]) -> int:
    # However it is ended, it ends what it has started; a shell's background jobs ignore Ctrl-C's signal.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    given = _parser().parse_args(arguments)
    if given.draw:
        page.into_page(Results.read())
        return 0
    if missing := nginx.unavailable_reason() or browsing.unavailable_reason():
        print(f"error: {missing}", file=sys.stderr)
        return 2
    extent = Extent(**{field.name: getattr(given, field.name) for field in fields(Extent)})
    results = measure(given.jobs, extent, given.ledger)
    if given.json:
        results.write(given.json)
    if given.docs:
        results.write(FILE)
        page.into_page(results)
    print(page.text(results))
    return 0


def measure(jobs: int, extent: Extent, kept: Path | None) -> Results:
    """Measures everything on a ledger of so many jobs, which may be kept in a folder."""
    began = time.monotonic()

    def report(words: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {words}", file=sys.stderr, flush=True)

    machine = about()
    names = ("when", "commit", "cpu", "python", "load at the start")
    results = Results({name: machine[name] for name in names}, {})
    with standing(jobs, kept, report) as stage:
        results.ledger = {
            "jobs": sum(batch.jobs for batch in stage.batches),
            "batches": len(stage.batches),
            "in the large batch": stage.large.jobs,
            "dead": sum(batch.dead for batch in stage.batches),
            "dead in the large batch": stage.large.dead,
            "in doubt": sum(batch.in_doubt for batch in stage.batches),
        }
        found = pages.pages_of(stage, extent.only)
        report("pages, idle")
        idle = pages.times(stage, found, extent.requests)
        report("open pages, idle")
        counts = [1, extent.watchers]
        results.calls = watching.calls_per_second(stage, "/batches", counts, extent.seconds)
        _at_full_pace(stage, extent, results, found, idle, report)
        _with_a_browser(stage, extent, results, found, report)
    return results


def _at_full_pace(
    stage: Stage,
    extent: Extent,
    results: Results,
    found: list[pages.Page],
    idle: dict[str, list[float]],
    report: watching.Report,
) -> None:
    """Pages and watchers while a worker sends as fast as it can."""
    with under_load(stage, 0.0, extent.queue) as load:
        report("pages, a worker at full pace")
        busy = pages.times(stage, found, extent.requests, load.top_up)
        report("watchers, a worker at full pace")
        results.watched.append(
            watching.paces(stage, load, 0.0, extent.watchers, extent.rounds, extent.seconds)
        )
    results.pages = pages.page_times(stage, found, idle, busy)


def _with_a_browser(
    stage: Stage, extent: Extent, results: Results, found: list[pages.Page], report: watching.Report
) -> None:
    """The browser's part, and watchers once more, while a worker sends to an API that takes its time."""
    with under_load(stage, SLOW_API, extent.queue) as load:
        report("watchers, a slow API")
        results.watched.append(
            watching.paces(stage, load, SLOW_API, extent.watchers, extent.rounds, extent.seconds)
        )
        with browsing.chromium() as browser:
            report("views")
            results.views = browsing.views(browser, stage, found, extent.visits, extent.seconds, load.top_up)
            report("changes")
            results.changes = browsing.changes(browser, stage, extent.changes)
    report("done")


def _interrupted(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="script/measure-console",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    usual = Extent()
    parser.add_argument("jobs", type=int, nargs="?", default=1_000_000, metavar="JOBS")
    parser.add_argument("--ledger", type=Path, metavar="FOLDER", help="where the filled ledger is kept")
    parser.add_argument("--requests", type=int, default=usual.requests, metavar="N", help="of each page (60)")
    parser.add_argument("--visits", type=int, default=usual.visits, metavar="N", help="of each page (3)")
    parser.add_argument("--changes", type=int, default=usual.changes, metavar="N", help="of each kind (40)")
    parser.add_argument("--rounds", type=int, default=usual.rounds, metavar="N", help="beside watchers (5)")
    parser.add_argument("--seconds", type=float, default=usual.seconds, metavar="S", help="of a round (8)")
    parser.add_argument("--watchers", type=int, default=usual.watchers, metavar="N", help="open pages (50)")
    parser.add_argument("--queue", type=int, default=usual.queue, metavar="N", help="jobs of the worker")
    parser.add_argument("--only", nargs="+", default=(), metavar="PAGE", help="pages by name; else all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the numbers go")
    parser.add_argument("--docs", action="store_true", help="write the page and its JSON")
    parser.add_argument("--draw", action="store_true", help="write the page from its JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
