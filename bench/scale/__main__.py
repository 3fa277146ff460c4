"""
Rows from CSV to settled, a thousand to a million: what grows with them, and what two and four workers give.

    script/measure-scale                           everything, some twenty minutes; prints the tables
    script/measure-scale --rows 1000 20000         those numbers of rows, with two workers
    script/measure-scale --rows 20000 --workers 1 2 4 --latency 0.2
                                                   each with each, on answers after so many seconds
    script/measure-scale --json FILE               the numbers and a sample a second as JSON
    script/measure-scale --docs                    everything, and the page and its JSON anew
    script/measure-scale --docs --rows 1000        the same, keeping what there is of other numbers
    script/measure-scale --draw                    the page from its JSON

A Valkey with an append-only file synced every second, nginx that answers at once or after a while, workers
without a pace, bodies of 700 bytes: processes of their own, files in a temporary folder, gone in the end.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from bench.results import about
from bench.scale import page
from bench.scale.results import FILE, Results, Shape
from bench.scale.run import run, unavailable_reason
from bench.server.nginx import NoServerError

WHOLE: Final = (
    Shape(1_000, 2),
    *(Shape(100_000, workers) for workers in (1, 2, 4)),
    # Here it is the POSTs in flight that bound a worker, and two cores are enough for four.
    *(Shape(20_000, workers, 0.2) for workers in (1, 2, 4)),
    Shape(1_000_000, 2),
)

BRIEF: Final = 10_000
"""Up to so many rows a run is over in seconds: it is made several times, and the median counts."""

ROUNDS: Final = 5
PHASE_TIMEOUT: Final = 3600.0
"""Seconds that a phase of a run may take."""


def main(arguments: list[str]) -> int:
    # However it is ended, it ends what it has started; a shell's background jobs ignore Ctrl-C's signal.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    given = _parser().parse_args(arguments)
    if given.draw:
        page.into_page(Results.read())
        return 0
    chosen = bool(given.rows or given.workers or given.latency)
    shapes: Sequence[Shape] = WHOLE
    if chosen:
        numbers = given.workers or [page.USUAL_WORKERS]
        shapes = [Shape(n, w, given.latency) for n in given.rows or [100_000] for w in numbers]
    if missing := unavailable_reason(max(shape.rows for shape in shapes)):
        print(f"error: {missing}", file=sys.stderr)
        return 2
    results, complete = measure_all(shapes, timeout=given.timeout)
    if given.json:
        results.write(given.json)
    if given.docs and complete:
        whole = Results.read().renewed(results) if chosen else results
        whole.write(FILE)
        page.into_page(whole)
    print(page.text(results))
    return 0 if complete else 1


def measure_all(shapes: Sequence[Shape], *, timeout: float) -> tuple[Results, bool]:
    """Goes through the shapes. What fails is told and passed over. Returns: also whether none did."""
    machine = about()
    results = Results({name: machine[name] for name in ("cpu", "python")})
    complete, began = True, time.monotonic()
    for shape in shapes:
        for _ in range(ROUNDS if shape.rows <= BRIEF else 1):
            at = f"{shape.rows:9,} rows, {shape.workers} workers, {1000 * shape.latency:3.0f} ms"

            def report(words: str, at: str = at) -> None:
                print(f"{time.monotonic() - began:5.0f} s  {at}  {words}", file=sys.stderr, flush=True)

            try:
                one = run(shape, commit=machine["commit"], timeout=timeout, report=report)
            except (RuntimeError, NoServerError) as error:
                report(f"came to nothing: {error}")
                complete = False
                continue
            results.runs.append(one)
            report(
                f"{one.rows_s:,.0f} rows/s, {one.jobs_s:,.0f} jobs/s, {one.cost_us:,.0f} µs a job,"
                f" {one.duplicates} duplicates, load {one.load:.1f}"
            )
    return results, complete


def _interrupted(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="script/measure-scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", metavar="N")
    parser.add_argument("--workers", type=int, nargs="+", metavar="N")
    parser.add_argument(
        "--patience",
        dest="timeout",
        type=float,
        default=PHASE_TIMEOUT,
        help="seconds that a phase may take (3600)",
    )
    parser.add_argument("--latency", type=float, default=0.0, metavar="S", help="seconds to an answer")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the numbers go")
    parser.add_argument("--docs", action="store_true", help="write the page and its JSON")
    parser.add_argument("--draw", action="store_true", help="write the page from its JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
