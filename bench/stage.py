"""One run: a contender on a server and a Redis of its own, warmed up, loaded, let go and measured."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import measure, redis_server
from bench.bare_loop import BareLoop, PlainLoop
from bench.contenders import Contender
from bench.doing import Doing, Queued
from bench.environments import ROOT
from bench.ours import Ours
from bench.peer import Peer
from bench.redis_server import Keeping
from bench.rows import FIRST_BOT
from bench.scenarios import Scenario
from bench.server import nginx
from bench.server.post_log import seen

TIMEOUT: Final = 120.0
"""Seconds that a run may take."""


@dataclass(frozen=True)
class Measured:
    """
    What one run gave.

    Attributes:
        jobs_s: jobs a second from the first POST to the last result.
        jobs_s_95: jobs a second from the first POST until 95% of the jobs had their widget.
        cpu_us: microseconds of CPU a job, of all processes of the contender; Redis' and the server's apart.
        peak_bytes: of all processes of the contender.
        posts, failed, duplicates: as the server saw them; duplicates are widgets beyond a job's first.
        enqueue_s: rows a second handed over before the clock ran; None for a bare loop.
        redis_keeps: what its Redis wrote to the disk.
        load: of the machine in the minute before.
    """

    contender: str
    family: str
    scenario: str
    processes: int
    in_flight: int
    jobs: int
    seconds: float
    jobs_s: float
    jobs_s_95: float
    cpu_us: float
    redis_us: float
    server_us: float
    peak_bytes: int
    posts: int
    failed: int
    duplicates: int
    enqueue_s: float | None
    redis_keeps: str
    load: float


@dataclass(frozen=True)
class Enqueued:
    """Rows handed over and left. `redis_us` is Redis' CPU a row, in microseconds."""

    contender: str
    family: str
    jobs: int
    enqueue_s: float
    redis_us: float
    redis_keeps: str
    load: float


def run(
    contender: Contender,
    scenario: Scenario,
    *,
    jobs: int,
    keeping: Keeping = "everysec",
    watch: Callable[[list[int]], AbstractContextManager[object]] = contextlib.nullcontext,
) -> Measured:
    """
    Runs a contender once.

    Args:
        keeping: how the ledger's Valkey syncs; the peers' keeps nothing.
        watch: entered with the contender's sessions while the clock runs, such as a profiler.

    Raises: RuntimeError if it did not do all jobs; nginx.NoServerError.
    """
    load = os.getloadavg()[0]
    processes, in_flight = contender.shape(scenario)
    kept: Keeping = keeping if contender.family == "ours" else "nothing"
    with folder() as files, folder(in_memory=True) as swift:
        with (
            nginx.running(swift, scenario.latency, scenario.faults) as server,
            redis_server.running(files, kept) as redis,
            at_work(contender, files, environ_of(files, server.url, redis.url, in_flight)) as doing,
        ):
            doing.start(contender.commands(processes, in_flight))
            doing.warm_up(scenario.warm_up)
            rows_s = doing.prepare(scenario.warm_up, jobs)
            with watch(doing.sessions):
                before = _cpu(doing.sessions, redis.pid, server.pid)
                doing.go()
                ended = doing.until(doing.done, TIMEOUT)
                after = _cpu(doing.sessions, redis.pid, server.pid)
            peak = measure.peak_bytes(doing.sessions)
        first_mark = str(FIRST_BOT + scenario.warm_up)
        found = seen([post for post in server.posts() if post.mark >= first_mark])
    if found.created != jobs:
        raise RuntimeError(f"{contender.name}: {found.created} of {jobs} jobs have a widget")
    cpu, redis_cpu, server_cpu = (
        1e6 * (late - early) / jobs for early, late in zip(before, after, strict=True)
    )
    return Measured(
        contender=contender.name,
        family=contender.family,
        scenario=scenario.name,
        processes=processes,
        in_flight=in_flight,
        jobs=jobs,
        seconds=round(ended - found.first, 3),
        jobs_s=round(jobs / (ended - found.first), 1),
        jobs_s_95=round(0.95 * jobs / (found.most[0.95] - found.first), 1),
        cpu_us=round(cpu, 1),
        redis_us=round(redis_cpu, 1),
        server_us=round(server_cpu, 1),
        peak_bytes=peak,
        posts=found.posts,
        failed=found.failed,
        duplicates=found.duplicates,
        enqueue_s=None if rows_s is None else round(rows_s, 1),
        redis_keeps="no Redis" if contender.family == "bare" else kept,
        load=round(load, 2),
    )


def enqueue(contender: Contender, *, jobs: int, keeping: Keeping = "everysec") -> Enqueued:
    """Hands rows over to a Redis that nobody works on. Raises: RuntimeError."""
    load = os.getloadavg()[0]
    kept: Keeping = keeping if contender.family == "ours" else "nothing"
    with (
        folder() as files,
        redis_server.running(files, kept) as redis,
        # Nothing is sent: no server listens there.
        at_work(contender, files, environ_of(files, "http://127.0.0.1:9", redis.url, 1)) as doing,
    ):
        if not isinstance(doing, Queued):
            raise TypeError(f"{contender.name} has no queue")
        doing.hand_over(0, 100)  # from here on scripts are loaded and bytecode is there
        before = measure.cpu_of(redis.pid)
        rows_s = doing.hand_over(100, jobs)
        redis_us = 1e6 * (measure.cpu_of(redis.pid) - before) / jobs
    return Enqueued(
        contender.name, contender.family, jobs, round(rows_s, 1), round(redis_us, 1), kept, round(load, 2)
    )


@contextlib.contextmanager
def at_work(contender: Contender, files: Path, environ: dict[str, str]) -> Iterator[Doing]:
    """A contender whose processes are gone when the block ends."""
    doing = _KINDS[contender.family](contender, files, environ)
    try:
        yield doing
    finally:
        doing.end()


@contextlib.contextmanager
def folder(*, in_memory: bool = False) -> Iterator[Path]:
    """A folder that is gone when the block ends; in memory, where there is such a place, if so asked."""
    memory = "/dev/shm" if in_memory and os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    with tempfile.TemporaryDirectory(prefix="bench-", dir=memory, ignore_cleanup_errors=True) as path:
        yield Path(path)


def environ_of(files: Path, api: str, redis: str, in_flight: int) -> dict[str, str]:
    """The environment of a contender's processes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PROVISION_")}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(files),
        "C_FORCE_ROOT": "1",
        "BENCH_API_URL": api,
        "BENCH_REDIS_URL": redis,
        "BENCH_IN_FLIGHT": str(in_flight),
    }


def _cpu(sessions: list[int], redis: int, server: int) -> tuple[float, float, float]:
    return measure.cpu_seconds(sessions), measure.cpu_of(redis), measure.cpu_of(server)


_KINDS: Final[dict[str, type[Doing]]] = {"ours": Ours, "peer": Peer, "bare": BareLoop, "plain": PlainLoop}
