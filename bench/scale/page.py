"""The tables of docs/explanation/scale.md, from what runs gave. Pure but for writing the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from bench.environments import ROOT
from bench.report import put
from bench.scale.results import Results, Run
from bench.tables import table

PAGE: Final = ROOT / "docs" / "explanation" / "scale.md"
BEGIN, END = "<!-- script/measure-scale writes from here -->", "<!-- to here -->"

USUAL_WORKERS: Final = 2


def into_page(results: Results) -> None:
    """Puts the tables between the page's marks. Raises: ValueError if it has none."""
    put(text(results), PAGE, BEGIN, END)


def text(results: Results) -> str:
    """All tables: by rows, then by workers."""
    runs = [results.one(shape) for shape in results.shapes()]
    by_rows = [run for run in runs if run.workers == USUAL_WORKERS and not run.latency]
    alike = Counter((run.rows, run.latency) for run in runs)
    shared = [run for run in runs if alike[run.rows, run.latency] > 1]
    shared.sort(key=lambda run: (run.latency, run.rows, run.workers))
    parts = ["Measured on: " + ", ".join(f"{name} {value}" for name, value in results.about.items()) + "."]
    if by_rows:
        parts += _by_rows(by_rows)
    if shared:
        parts += ["### Workers on one batch", _by_workers(shared)]
    return "\n\n".join(parts)


def _by_rows(runs: list[Run]) -> Iterator[str]:
    """Tables with a column a run, under a heading each."""
    cheapest = min(run.cost_us for run in runs)
    headers = ["", *(f"{run.rows:,} rows" for run in runs)]
    for title, lines in _LINES.items():
        cells = [[name, *(shown(run) for run in runs)] for name, shown in lines]
        if title == _COST:
            cells.insert(1, ["beside the cheapest", *(f"{run.cost_us / cheapest - 1:+.0%}" for run in runs)])
        yield f"### {title}\n\n{table(headers, cells)}"


def _by_workers(runs: list[Run]) -> str:
    headers = [
        "answers after",
        "rows",
        "workers",
        "jobs/s",
        "CPU a job",
        "of it workers",
        "Redis",
        "nginx' CPU a POST",
        "POSTs",
    ]
    rows = [
        [
            f"{1000 * run.latency:.0f} ms",
            f"{run.rows:,}",
            f"{run.workers}",
            f"{run.jobs_s:,.0f}",
            f"{run.cost_us:,.0f} µs",
            f"{run.worker_us:,.0f} µs",
            f"{run.redis_us:,.0f} µs",
            f"{run.server_us:,.0f} µs",
            f"{run.posts:,}",
            f"{run.duplicates}",
            _mb(run.worker_peak_bytes),
            f"{run.load:.1f}",
        ]
        for run in runs
    ]
    return table([*headers, "duplicates", "a worker, most", "load before"], rows)


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e6:,.1f} MB"


def _rewrites(run: Run) -> str:
    if run.fork_ms is None:
        return "none"
    return f"{run.rewrites}; {run.fork_ms:.0f} ms, {_mb(run.copied_bytes)}"


def _pauses(run: Run) -> str:
    longest = sorted(run.held_up_ms.items(), key=lambda pause: -pause[1])[:3]
    return ", ".join(f"{ms} ms {event}" for event, ms in longest) or "none"


def _status_milliseconds(run: Run) -> str:
    return " / ".join(f"{ms:.1f}" for ms in run.ledger_ms) + " ms" if run.ledger_ms else "over before"


def _status(run: Run) -> str:
    if not run.status:
        return "over before"
    return f"{sorted(run.status)[len(run.status) // 2]:.2f} / {max(run.status):.2f} s"


_COST: Final = "CPU"

_LINES: Final[dict[str, tuple[tuple[str, Callable[[Run], str]], ...]]] = {
    "Pace, two workers": (
        ("measured, UTC", lambda run: run.when),
        ("at commit", lambda run: f"`{run.commit}`"),
        ("load of the machine when it began", lambda run: f"{run.load:.1f}"),
        ("the CSV", lambda run: _mb(run.csv_bytes)),
        ("`apply --detach`", lambda run: f"{run.apply.seconds:,.1f} s"),
        ("rows/s, its start included", lambda run: f"{run.rows_s:,.0f}"),
        ("from the first POST to settled", lambda run: f"{run.settle_s:,.1f} s"),
        ("jobs/s", lambda run: f"{run.jobs_s:,.0f}"),
        ("POSTs", lambda run: f"{run.posts:,}"),
        ("duplicates", lambda run: f"{run.duplicates}"),
        ("messages on the broker", lambda run: f"{run.rings:,}"),
    ),
    _COST: (
        ("**µs a job**", lambda run: f"{run.cost_us:,.0f}"),
        ("apply, beyond its start", lambda run: f"{run.apply_us:,.0f}"),
        ("Redis, accepting", lambda run: f"{run.accept_us:,.0f}"),
        ("workers", lambda run: f"{run.worker_us:,.0f}"),
        ("Redis, from claim to answer", lambda run: f"{run.redis_us:,.0f}"),
        ("Redis, rewriting its file", lambda run: f"{run.rewrite_us:,.0f}"),
        ("not in it: the start of apply, once", lambda run: f"{run.start.cpu_s:.2f} s"),
    ),
    "Memory of our processes": (
        ("apply, most", lambda run: _mb(run.apply.peak_bytes)),
        ("apply of one row, most", lambda run: _mb(run.start.peak_bytes)),
        ("a worker with a tenth settled", lambda run: _mb(run.worker_bytes[0])),
        ("a worker with half settled", lambda run: _mb(run.worker_bytes[1])),
        ("a worker with all settled", lambda run: _mb(run.worker_bytes[2])),
        ("a worker, most", lambda run: _mb(run.worker_peak_bytes)),
        ("status, most", lambda run: _mb(run.after.peak_bytes)),
        ("export, most", lambda run: _mb(run.export.peak_bytes)),
    ),
    "Redis": (
        ("bytes a job beside its body, queued", lambda run: f"{run.queued_bytes:,.0f}"),
        ("the same, created", lambda run: f"{run.created_bytes:,.0f}"),
        ("with the child that rewrites, most", lambda run: _mb(run.redis_peak_bytes)),
        ("append-only files, most", lambda run: _mb(run.files_peak_bytes)),
        ("rewrites; the last one's fork and copied pages", _rewrites),
        ("longest pauses from 5 ms on", _pauses),
    ),
    "Status and export": (
        ("status in the ledger: median, 99th, most", _status_milliseconds),
        ("`provision status` while workers worked: median, most", _status),
        ("`provision status` once settled", lambda run: f"{run.after.seconds:.2f} s"),
        ("`provision export`", lambda run: f"{run.export.seconds:,.1f} s"),
        ("jobs/s", lambda run: f"{run.rows / run.export.seconds:,.0f}"),
        ("what it wrote", lambda run: _mb(run.export_bytes)),
    ),
}
