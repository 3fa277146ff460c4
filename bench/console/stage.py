"""What the console is measured on: a Valkey with the ledger, the server, a worker with its API, a session."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
from redis import Redis

from bench import redis_server
from bench.console import plan
from bench.console.filling import fill
from bench.environments import script_of
from bench.server import nginx
from bench.stage import environ_of, folder
from provisioning.ledger import Ledger, keys
from provisioning.ledger.schema import FORMAT
from provisioning.ledger.tokens import Scope

T = TypeVar("T")

START_SECONDS: Final = 120.0
IN_FLIGHT: Final = 100
LOW: Final = 60_000
"""Queued jobs below which a batch is handed over before the next round."""


class Asked:
    """A ledger on a loop of its own thread: Playwright has a loop in ours."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._ledger = Ledger.at(url)

    def do(self, work: Callable[[Ledger], Awaitable[T]]) -> T:
        """What comes of some work on the ledger."""

        async def done() -> T:
            return await work(self._ledger)

        running: Future[T] = asyncio.run_coroutine_threadsafe(done(), self._loop)
        return running.result(START_SECONDS)

    def close(self) -> None:
        self.do(lambda ledger: ledger.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass
class Stage:
    """
    Everything that is measured.

    Attributes:
        redis: its counts and its log of slow commands.
        url: of the console.
        cookie: name and value of the cookie of a session with every scope.
        other: likewise of an owner that has no batches.
        batches: of the ledger, the large one last.
        pids: of the server and of Redis.
    """

    redis_url: str
    redis: Any
    url: str
    cookie: tuple[str, str]
    other: tuple[str, str]
    batches: list[plan.Batch]
    asked: Asked
    pids: dict[str, int]

    @property
    def large(self) -> plan.Batch:
        return self.batches[-1]


@contextlib.contextmanager
def standing(jobs: int, kept: Path | None, report: Callable[[str], None]) -> Iterator[Stage]:
    """
    The stage with a ledger of so many jobs, gone when the block ends.

    Args:
        kept: a folder with the filled ledger of an earlier run, or for the next one; None to keep nothing.
    """
    with contextlib.ExitStack() as stack:
        home = kept or stack.enter_context(folder())
        home.mkdir(parents=True, exist_ok=True)
        batches = _known(home, jobs)
        if not batches:
            (home / "dump.rdb").unlink(missing_ok=True)
        server = stack.enter_context(redis_server.running(home, "nothing", START_SECONDS))
        redis: Any = stack.enter_context(Redis.from_url(server.url, socket_timeout=START_SECONDS))
        if not batches:
            batches = plan.batches(jobs, time.time())
            fill(server.url, batches, report)
            if kept:
                redis.save()
                (home / "ledger.json").write_text(json.dumps([FORMAT.decode(), jobs, batches[-1].opened_at]))
        report("Redis writes its append-only file")
        redis.config_set("appendonly", "yes")
        redis.config_set("appendfsync", "everysec")
        _until(lambda: not redis.info("persistence")["aof_rewrite_in_progress"], "Redis wrote no file")
        asked = Asked(server.url)
        stack.callback(asked.close)
        files = stack.enter_context(folder())
        url, pid = stack.enter_context(_serving(files, server.url))
        cookie, other = (_signed_in(url, asked, owner) for owner in ("default", "nobody"))
        pids = {"server": pid, "redis": server.pid}
        yield Stage(server.url, redis, url, cookie, other, batches, asked, pids)


def _known(home: Path, jobs: int) -> list[plan.Batch]:
    """The batches of the ledger in a folder; none if there is none like it."""
    facts = home / "ledger.json"
    if not facts.exists() or not (home / "dump.rdb").exists():
        return []
    form, count, opened_at = json.loads(facts.read_text())
    if (form, count) != (FORMAT.decode(), jobs):
        return []
    return plan.batches(jobs, plan.end_of(jobs, opened_at))


@contextlib.contextmanager
def _serving(files: Path, redis_url: str) -> Iterator[tuple[str, int]]:
    """The address and the process of a `provision serve`."""
    environ = environ_of(files, "", redis_url, IN_FLIGHT) | {
        "PROVISION_REDIS_URL": redis_url,
        "PROVISION_API_RATE": "unlimited",
    }
    log = files / "serve.log"
    with _process([script_of("", "provision"), "serve", "--port", "0"], environ, log) as process:
        said = re.compile(r"^serving at (\S+)", re.MULTILINE)
        found: list[str] = []

        def is_up() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"the server ended: {log.read_text()[-2000:]}")
            found[:] = said.findall(log.read_text())
            return bool(found) and httpx.get(f"{found[0]}/readyz").status_code == 200

        _until(is_up, "the server did not start")
        yield found[0], process.pid


def _signed_in(url: str, asked: Asked, owner: str) -> tuple[str, str]:
    """Signs in as a browser does. Returns: the name and value of the cookie."""
    scopes = [scope for scope in Scope if scope is not Scope.METRICS]
    name = f"measure-{time.time_ns()}"
    token = asked.do(lambda ledger: ledger.tokens.create(name, scopes, owner=owner))[1]
    answer = httpx.post(f"{url}/sign-in", data={"token": token, "next": "/"}, headers={"Origin": url})
    [(cookie, value)] = answer.cookies.items()
    return cookie, value


@dataclass
class Load:
    """
    A worker that sends at full pace, and the batches that it gets.

    Attributes:
        handed_over: their ids.
    """

    stage: Stage
    size: int
    handed_over: list[str] = field(default_factory=list)

    @property
    def batch(self) -> str:
        """The one that was handed over last."""
        return self.handed_over[-1]

    def sent(self) -> int:
        """Jobs that have got their widget until now."""
        counts = [self.stage.redis.hget(keys.batch(batch), "succeeded") for batch in self.handed_over]
        return sum(int(count or 0) for count in counts)

    def top_up(self) -> None:
        """Hands a batch over if the last one has few jobs left; in a process of its own."""
        if self.handed_over:
            queued = int(self.stage.redis.hget(keys.batch(self.batch), "queued") or 0)
            if queued >= min(LOW, self.size // 2):
                return
        self.handed_over.append(f"load{time.time_ns()}")
        words = [self.stage.redis_url, self.batch, str(self.size)]
        command = [sys.executable, "-m", "bench.console.filling", *words]
        subprocess.run(command, cwd=Path(__file__).parents[2], check=True)


@contextlib.contextmanager
def under_load(stage: Stage, latency: float, size: int) -> Iterator[Load]:
    """
    A worker without a pace, whose API answers after so many seconds.

    Args:
        size: jobs that are handed over at a time.
    """
    with folder() as files, folder(in_memory=True) as swift, nginx.running(swift, latency, 0.0) as api:
        environ = environ_of(files, api.url, stage.redis_url, IN_FLIGHT) | {
            "PROVISION_API_URL": api.url,
            "PROVISION_REDIS_URL": stage.redis_url,
            "PROVISION_CLIENT_ID": "bench",
            "PROVISION_CLIENT_SECRET": "bench",
            "PROVISION_RATE": "unlimited",
            "PROVISION_MAX_IN_FLIGHT": str(IN_FLIGHT),
        }
        log = files / "worker.log"
        command = [script_of("", "provision"), "worker", "--log-level", "warning"]
        with _process(command, environ, log) as process:
            load = Load(stage, size)
            load.top_up()

            def is_sending() -> bool:
                if process.poll() is not None:
                    raise RuntimeError(f"the worker ended: {log.read_text()[-2000:]}")
                return load.sent() > min(500, size // 4)

            _until(is_sending, "the worker sends nothing")
            yield load
        # What is left of it would be another load of the next stage.
        for batch in load.handed_over:
            stage.asked.do(lambda ledger, batch=batch: ledger.operations.cancel(batch, "measure"))  # type: ignore[misc]


@contextlib.contextmanager
def _process(command: list[str], environ: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=log.parent, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{otherwise} in {START_SECONDS:.0f} s")
        time.sleep(0.05)
