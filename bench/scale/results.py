"""What runs at scale gave, kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median_low
from typing import Any, Final, Self

from bench.environments import ROOT

FILE: Final = ROOT / "docs" / "explanation" / "scale.json"


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """What a run is of. `latency` is how long the server takes to answer, in seconds."""

    rows: int
    workers: int
    latency: float = 0.0


@dataclass(frozen=True, slots=True)
class Command:
    """One of our commands, carried out: seconds from its start to its end, its own CPU, the most it held."""

    seconds: float
    cpu_s: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Sample:
    """
    One second of a run.

    Attributes:
        at: seconds since the first sample.
        phase: apply, settle or rest.
        settled: jobs of the batch.
        used_bytes: Redis' `used_memory`.
        files_bytes: Redis' append-only files, those being rewritten included.
        status_ms: what the ledger took to say how the batch stands.
        pss: bytes by process, shared pages split among their holders; redis with the child that rewrites.
        rss: the same with shared pages counted for each.
    """

    at: float
    phase: str
    settled: int
    used_bytes: int
    files_bytes: int
    status_ms: float
    pss: dict[str, int]
    rss: dict[str, int]


@dataclass(frozen=True)
class Run:
    """
    Rows from CSV to settled, once.

    Attributes:
        latency: seconds from a POST to its answer.
        in_flight: POSTs of one worker at most.
        when: it began, UTC.
        commit: what was measured.
        load: of the machine in the minute before.
        csv_bytes: size of the file.
        start: an apply of one row: what Python and its libraries take before the first.
        apply: `provision apply FILE --detach`, its start included.
        apply_us: its CPU a row, beyond that start; microseconds, as all of these.
        accept_us: Redis' CPU a row meanwhile.
        settle_s: from the first POST to the last answer in the ledger.
        worker_us: CPU a job, all workers together, from the end of the pause on.
        redis_us: Redis' CPU a job meanwhile; `rewrite_us` that of the children that rewrite its file.
        server_us: nginx' CPU a POST: not ours, but of the same cores.
        rings: messages on the broker from apply to settled.
        queued_bytes, created_bytes: Redis' memory a job beside its body of 700 bytes, at rest.
        fork_ms: how long the last fork for a rewrite held Redis up; None if there was none.
        copied_bytes: what that rewrite took in copied pages.
        rewrites: of the append-only file.
        held_up_ms: Redis' latency monitor: the longest pause, by what it was.
        ledger_ms: what the ledger took to say how the batch stood, each second while workers worked: half the
            times less than the first number, 99 of 100 less than the second, none more than the third.
        status: `provision status BATCH --json` while workers worked, seconds.
        after: the same once the batch had settled.
        worker_bytes: the largest worker's resident memory with a tenth, half and all of the jobs settled.
        worker_peak_bytes: the most that any worker ever held.
        export_bytes: what `provision export` wrote.
    """

    rows: int
    workers: int
    latency: float
    in_flight: int
    when: str
    commit: str
    load: float
    csv_bytes: int
    start: Command
    apply: Command
    apply_us: float
    accept_us: float
    settle_s: float
    worker_us: float
    redis_us: float
    rewrite_us: float
    server_us: float
    posts: int
    created: int
    duplicates: int
    rings: int
    queued_bytes: float
    created_bytes: float
    redis_peak_bytes: int
    files_peak_bytes: int
    fork_ms: float | None
    copied_bytes: int
    rewrites: int
    held_up_ms: dict[str, int]
    ledger_ms: list[float]
    status: list[float]
    after: Command
    worker_bytes: list[int]
    worker_peak_bytes: int
    export: Command
    export_bytes: int
    samples: list[Sample] = field(default_factory=list)

    @property
    def shape(self) -> Shape:
        return Shape(self.rows, self.workers, self.latency)

    @property
    def rows_s(self) -> float:
        """Rows a second of the whole command."""
        return self.rows / self.apply.seconds

    @property
    def jobs_s(self) -> float:
        return self.rows / self.settle_s

    @property
    def cost_us(self) -> float:
        """CPU a job of everything that is ours or Redis', but for the start of `apply`."""
        return self.apply_us + self.accept_us + self.worker_us + self.redis_us + self.rewrite_us


@dataclass
class Results:
    """All runs, and the machine by name."""

    about: dict[str, str]
    runs: list[Run] = field(default_factory=list)

    def shapes(self) -> list[Shape]:
        """Those of the runs, by rows and workers."""
        return sorted({run.shape for run in self.runs})

    def one(self, shape: Shape) -> Run:
        """Of the runs of a shape, the one with the median cost."""
        runs = [run for run in self.runs if run.shape == shape]
        middle = median_low(run.cost_us for run in runs)
        return next(run for run in runs if run.cost_us == middle)

    def renewed(self, fresh: Results) -> Results:
        """These runs, those of shapes that were measured anew replaced."""
        kept = [run for run in self.runs if run.shape not in fresh.shapes()]
        return Results(fresh.about, [*kept, *fresh.runs])

    def write(self, file: Path) -> None:
        """Writes JSON with a run a line; of a shape's rounds only the one that counts has its samples."""
        runs = [_line(run, samples=run is self.one(run.shape)) for run in self.runs]
        text = f'{{\n "about": {json.dumps(self.about)},\n "runs": [\n' + ",\n".join(runs) + "\n ]\n}\n"
        file.write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, file: Path = FILE) -> Self:
        found = json.loads(file.read_text(encoding="utf-8"))
        return cls(found["about"], [_run(run) for run in found["runs"]])


def thinned(samples: list[Sample], most: int = 120) -> list[Sample]:
    """At most so many samples, evenly chosen, first and last among them."""
    if len(samples) <= most:
        return samples
    return [samples[n * (len(samples) - 1) // (most - 1)] for n in range(most)]


def _line(run: Run, *, samples: bool) -> str:
    fields = asdict(run)
    fields["samples"] = fields["samples"] if samples else []
    return f"  {json.dumps(fields)}"


def _run(fields: dict[str, Any]) -> Run:
    commands = {name: Command(**fields[name]) for name in ("start", "apply", "after", "export")}
    return Run(**fields | commands | {"samples": _samples(fields["samples"])})


def _samples(samples: Iterable[dict[str, Any]]) -> list[Sample]:
    return [Sample(**sample) for sample in samples]
