"""
One run at scale: warm workers wait behind a pause, a file is applied, the pause ends, the batch settles.

The pause keeps the phases apart, so that each has its own pace and cost. A person would not pause; then apply
and workers share the cores.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from redis import Redis

from bench import measure, redis_server, rows
from bench.contenders import OURS
from bench.environments import script_of
from bench.ours import SETTLED, Ours
from bench.redis_server import RedisServer
from bench.scale.results import Command, Run, Sample, Shape, thinned
from bench.scale.watching import Watch, command, size_of
from bench.server import nginx
from bench.server.post_log import seen
from bench.stage import at_work, environ_of, folder
from provisioning.ledger import keys

WARM_UP: Final = 600
"""Jobs before the first that counts: connections are open then, and limits found."""

STARTS: Final = 3
"""Applies of one row."""

FIRST: Final = WARM_UP + STARTS
"""The first row that counts."""

STATUS_EVERY: Final = 15.0
"""Seconds between two `provision status`: a start of Python is half a second of one core."""

DISK_PER_ROW: Final = 9_000
"""Bytes of disk a row at most: CSV, the append-only file beside its successor, outcome files."""

MEMORY_PER_ROW: Final = 3_000
"""Bytes of memory a row at most: the job in Redis, and pages copied while it rewrites its file."""

NOTE_MS: Final = 5
"""Pauses of Redis from so many milliseconds on are noted by its latency monitor."""


@dataclass(frozen=True)
class Cpu:
    """Seconds of CPU used until now."""

    workers: float
    redis: float
    rewrites: float
    server: float


def unavailable_reason(count: int) -> str | None:
    """What this machine lacks for so many rows; None if nothing."""
    if missing := nginx.unavailable_reason():
        return missing
    with folder() as files:
        free = shutil.disk_usage(files).free
    if free < count * DISK_PER_ROW + 10**9:
        return (
            f"{count:,} rows may take {count * DISK_PER_ROW / 1e9:.0f} GB of disk; {free / 1e9:.0f} are free"
        )
    available = 1024 * measure.kilobytes(measure.PROC / "meminfo")["MemAvailable"]
    if available < count * MEMORY_PER_ROW + 10**9:
        wanted = f"{count * MEMORY_PER_ROW / 1e9:.0f} GB of memory"
        return f"{count:,} rows may take {wanted}; {available / 1e9:.0f} are free"
    return None


def run(shape: Shape, *, commit: str, timeout: float, report: Callable[[str], None]) -> Run:
    """
    Takes rows from CSV to settled.

    Args:
        commit: noted with the run.
        patience: seconds that each phase may take.
        say: told, in words, how far it is.

    Raises: RuntimeError if a job is not created or something takes too long; nginx.NoServerError.
    """
    when, load = datetime.now(UTC), os.getloadavg()[0]
    count, in_flight = shape.rows, OURS.none[1]
    with folder() as files, folder(in_memory=True) as swift:
        with (
            nginx.running(swift, shape.latency, 0.0) as server,
            redis_server.running(files, "everysec") as redis,
            at_work(OURS, files, environ_of(files, server.url, redis.url, in_flight)) as ours,
        ):
            if not isinstance(ours, Ours):
                raise TypeError("this program is measured")
            ours.start(OURS.commands(shape.workers, in_flight))
            ours.warm_up(WARM_UP)
            found = _Stage(files, ours, redis, server.pid, count, timeout, report).measure()
        first = str(rows.FIRST_BOT + FIRST)
        posted = seen([post for post in server.posts() if post.mark >= first])
    if posted.created != count:
        raise RuntimeError(f"{posted.created} of {count} jobs have a widget")
    return Run(
        rows=count,
        workers=shape.workers,
        latency=shape.latency,
        in_flight=in_flight,
        when=when.strftime("%Y-%m-%d %H:%M"),
        commit=commit,
        load=round(load, 2),
        settle_s=round(found.pop("settled_at") - posted.first, 3),
        posts=posted.posts,
        created=posted.created,
        duplicates=posted.duplicates,
        **found,
    )


class _Stage:
    """A run in which everything stands ready."""

    def __init__(
        self,
        files: Path,
        ours: Ours,
        server: RedisServer,
        nginx_pid: int,
        count: int,
        timeout: float,
        report: Callable[[str], None],
    ) -> None:
        self._files, self._ours, self._count, self._timeout, self._report = (
            files,
            ours,
            count,
            timeout,
            report,
        )
        self._redis_pid, self._nginx_pid = server.pid, nginx_pid
        # redis-py types each reply as the union of all it might be under any protocol.
        self._redis: Any = Redis.from_url(server.url)
        names = {f"worker {n}": pid for n, pid in enumerate(ours.sessions, 1)} | {"redis": server.pid}
        self._watch = Watch(server.url, files / "appendonlydir", names)

    def measure(self) -> dict[str, Any]:
        """Everything but what the server has seen."""
        with self._redis, self._watch:
            found = self._measure()
            self._watch.check()
        return found

    def _measure(self) -> dict[str, Any]:
        start, file = self._start(), self._write()
        self._redis.config_resetstat()
        self._provision("pause", "--all")
        keys_before = self._key_bytes()
        self._redis.config_set("latency-monitor-threshold", NOTE_MS)
        before = self._cpu()
        self._watch.phase = "apply"
        apply, batch = self._apply(file)
        between, pauses = self._cpu(), self._pauses()
        queued = self._key_bytes() - keys_before
        self._redis.execute_command("LATENCY", "RESET")
        self._watch.batch, self._watch.phase = batch, "settle"
        halfway = self._cpu()
        self._provision("resume", "--all")
        status = self._until_settled(batch)
        after = self._cpu()
        self._watch.phase = "rest"
        pauses = {event: max(pauses.get(event, 0), ms) for event, ms in (pauses | self._pauses()).items()}
        found = self._state_of_redis()
        settled_at = int(self._redis.hget(keys.batch(batch), "settled_at")) / 1000
        last, _ = self._provision("status", batch, "--json")
        outcomes = self._files / "outcomes"
        export, _ = self._provision("export", batch, "--to", str(outcomes))
        own = apply.cpu_s - start.cpu_s
        return found | {
            "csv_bytes": file.stat().st_size,
            "start": start,
            "apply": apply,
            "apply_us": self._each(max(0.0, own)),
            "accept_us": self._each(between.redis - before.redis),
            "settled_at": settled_at,
            "worker_us": self._each(after.workers - halfway.workers),
            "redis_us": self._each(after.redis - halfway.redis),
            "rewrite_us": self._each(after.rewrites - before.rewrites),
            "server_us": self._each(after.server - halfway.server),
            "queued_bytes": round(queued / self._count - rows.BODY_BYTES, 1),
            "created_bytes": round((self._key_bytes() - keys_before) / self._count - rows.BODY_BYTES, 1),
            "held_up_ms": pauses,
            "status": status,
            "after": last,
            "export": export,
            "export_bytes": size_of(outcomes),
            **self._memory(),
        }

    def _start(self) -> Command:
        """The apply of one row with the median CPU: of a thousand rows' cost it is the most."""
        ones = [self._apply(self._csv(WARM_UP + n, 1))[0] for n in range(STARTS)]
        self._ours.until(lambda: self._redis.zcard(keys.ACTIVE) == 0, self._timeout)
        return sorted(ones, key=lambda one: one.cpu_s)[STARTS // 2]

    def _write(self) -> Path:
        self._report("writing the file")
        return self._csv(FIRST, self._count)

    def _csv(self, first: int, count: int) -> Path:
        file = self._files / f"scale-{first}.csv"
        rows.write_csv(file, range(first, first + count))
        return file

    def _apply(self, file: Path) -> tuple[Command, str]:
        took, output = self._provision("apply", str(file), "--detach", "--yes", "--json")
        return took, str(json.loads(output.splitlines()[-1])["batch"])

    def _until_settled(self, batch: str) -> list[float]:
        """Waits for the last job. Returns: seconds that each `provision status` took meanwhile."""
        deadline = time.monotonic() + self._timeout
        took, next_status = list[float](), time.monotonic() + STATUS_EVERY / 3
        while (settled := self._settled(batch)) < self._count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{settled} of {self._count} jobs settled in {self._timeout:.0f} s")
            if any(head.poll() is not None for head in self._ours.heads):
                raise RuntimeError("a worker has ended")
            if time.monotonic() >= next_status:
                self._watch.check()
                self._report(f"{settled:,} of {self._count:,} settled")
                took.append(self._provision("status", batch, "--json")[0].seconds)
                next_status = time.monotonic() + STATUS_EVERY
            time.sleep(0.02)
        return took

    def _settled(self, batch: str) -> int:
        return sum(int(number or 0) for number in self._redis.hmget(keys.batch(batch), SETTLED))

    def _state_of_redis(self) -> dict[str, Any]:
        """Messages and rewrites; a rewrite under way is waited for."""
        deadline = time.monotonic() + self._timeout
        while self._redis.info("persistence")["aof_rewrite_in_progress"] and time.monotonic() < deadline:
            time.sleep(0.2)
        persistence, stats = self._redis.info("persistence"), self._redis.info("stats")
        # kombu pushes to the left; our scripts do so only with jobs that come back.
        pushed = self._redis.info("commandstats").get("cmdstat_lpush", {}).get("calls", 0)
        forks = int(stats["total_forks"])
        return {
            "rings": int(pushed),
            "rewrites": forks,
            "fork_ms": round(stats["latest_fork_usec"] / 1000, 1) if forks else None,
            "copied_bytes": int(persistence["aof_last_cow_size"]),
        }

    def _pauses(self) -> dict[str, int]:
        """What held Redis up since the last reset, and for how long at most, in milliseconds."""
        latest = self._redis.execute_command("LATENCY", "LATEST")
        return {event[0].decode(): int(event[3]) for event in latest}

    def _key_bytes(self) -> int:
        """What Redis keeps for the keys of the ledger, each entry of them looked at."""
        return sum(self._redis.memory_usage(key, samples=0) for key in self._redis.scan_iter("pv:*"))

    def _memory(self) -> dict[str, Any]:
        samples, names = self._watch.samples, [name for name in self._watch.sessions if name != "redis"]
        # Resident memory, not its share of it: that grows when a neighbour with the same libraries ends.
        pids = measure.members(self._watch.sessions[name] for name in names)
        peaks = [1024 * measure.kilobytes(measure.PROC / str(pid) / "status")["VmHWM"] for pid in pids]
        return {
            "worker_bytes": [_largest(samples, names, share * self._count) for share in (0.1, 0.5, 1.0)],
            "worker_peak_bytes": max(peaks),
            "redis_peak_bytes": max(sample.pss["redis"] for sample in samples),
            "ledger_ms": _milliseconds(samples),
            "files_peak_bytes": max(sample.files_bytes for sample in samples),
            "samples": thinned(samples),
        }

    def _provision(self, *words: str) -> tuple[Command, str]:
        self._report(f"provision {words[0]}")
        return command([script_of("", "provision"), *words], self._ours.environ, timeout=self._timeout)

    def _each(self, seconds: float) -> float:
        """Microseconds a job."""
        return round(1e6 * seconds / self._count, 1)

    def _cpu(self) -> Cpu:
        redis = measure.cpu_of(self._redis_pid)
        return Cpu(
            workers=measure.cpu_seconds(self._ours.sessions),
            redis=redis,
            rewrites=measure.cpu_seconds([self._redis_pid]) - redis,
            server=measure.cpu_of(self._nginx_pid),
        )


def _milliseconds(samples: list[Sample]) -> list[float]:
    """Milliseconds that the ledger took to say how the batch stood while workers worked."""
    took = sorted(sample.status_ms for sample in samples if sample.phase == "settle")
    return [took[int(share * (len(took) - 1))] for share in (0.5, 0.99, 1.0)] if took else []


def _largest(samples: list[Sample], names: list[str], settled: float) -> int:
    """The largest worker's memory in the first sample in which so many jobs were settled."""
    sample = next((each for each in samples if each.settled >= settled), samples[-1])
    return max(sample.rss[name] for name in names)
