"""A Redis that refuses is waited out like one that is away: the worker lives, and no answer is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis import Redis
from redis.exceptions import ResponseError

from chaos.valkey import Valkey
from provisioning.broker.queue import Notifier, make_app
from provisioning.config.settings import Settings
from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import Ledger, transitions
from provisioning.pace import Rate
from tests.support.commands import Desk, running_worker, tenants, until
from tests.support.sandbox_process import running_sandbox

ROWS = 60
Trouble = Callable[[Any, Path], Callable[[], object]]
"""Makes a Redis refuse. Returns: what ends that."""


def replica(redis: Any, _: Path) -> Callable[[], object]:
    """READONLY and UNBLOCKED: as after a failover."""
    redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    return lambda: redis.execute_command("REPLICAOF", "NO", "ONE")


def replica_without_its_primary(redis: Any, _: Path) -> Callable[[], object]:
    """MASTERDOWN, also for what only reads."""
    redis.config_set("replica-serve-stale-data", "no")
    return replica(redis, _)


def full_memory(redis: Any, _: Path) -> Callable[[], object]:
    """OOM."""
    redis.config_set("maxmemory", 1)
    return lambda: redis.config_set("maxmemory", 0)


def full_disk(redis: Any, folder: Path) -> Callable[[], object]:
    """MISCONF: a snapshot could not be written."""
    away = folder / "away"
    away.mkdir()
    before = redis.config_get("dir")["dir"]
    redis.config_set("dir", str(away))
    redis.config_set("save", "1 1")
    away.rmdir()
    until(lambda: _refuses(redis), "a snapshot has failed")

    def end() -> None:
        redis.config_set("dir", before)
        redis.config_set("save", "")

    return end


def _refuses(redis: Any) -> bool:
    try:
        redis.set("x", 1)
    except ResponseError:
        return True
    return False


def no_permission(redis: Any, _: Path) -> Callable[[], object]:
    """NOPERM: whoever looks after the server has made a mistake."""
    redis.acl_setuser(
        "default",
        enabled=True,
        nopass=True,
        keys=["*"],
        channels=["*"],
        commands=["-@all", "+@connection", "+acl", "+config"],
    )

    def end() -> None:
        redis.acl_setuser(
            "default", enabled=True, nopass=True, keys=["*"], channels=["*"], commands=["+@all"]
        )

    return end


@contextmanager
def _valkey(folder: Path) -> Iterator[Valkey]:
    folder.mkdir()
    valkey = Valkey(folder, "always")
    valkey.start()
    try:
        yield valkey
    finally:
        valkey.kill()


@pytest.mark.parametrize(
    ("trouble", "broker"),
    [
        *(
            (trouble, "the ledgers")
            for trouble in (replica, replica_without_its_primary, full_memory, full_disk, no_permission)
        ),
        *((trouble, "its own") for trouble in (replica, full_memory)),
    ],
)
def test_the_worker_lives_and_no_answer_is_lost(tmp_path: Path, trouble: Trouble, broker: str) -> None:
    with (
        running_sandbox("--seed", "3") as sandbox,
        _valkey(tmp_path / "ledger") as ledger,
        _valkey(tmp_path / "broker") as other,
        Redis.from_url(ledger.url, decode_responses=True) as redis,
    ):
        more = {"BROKER_URL": other.url} if broker == "its own" else {}
        desk = Desk(
            tmp_path,
            API_URL=sandbox.url,
            CLIENT_ID="sandbox",
            CLIENT_SECRET="sandbox",
            RATE="unlimited",
            MAX_IN_FLIGHT="20",
            **more,
        )
        sandbox.post_faults({"latency": "0.5"})
        tenants(tmp_path / "tenants.csv", ROWS)
        with running_worker(desk, ledger.url) as worker:
            done = desk.run("apply", "tenants.csv", "--detach", REDIS_URL=ledger.url)
            assert done.code == 0, done.err
            until(lambda: sandbox.stats()["posts"] >= 10, "POSTs are in flight")
            end = trouble(redis, tmp_path)
            try:
                until(lambda: worker.said.count("ledger.lost") >= 3, "the worker meets the trouble")
                until(lambda: sandbox.stats()["in_flight"] == 0, "every POST is answered")
            finally:
                end()

            def settled() -> bool:
                shown = desk.run("status", "tenants", "--json", REDIS_URL=ledger.url)
                return shown.code == 0 and bool(shown.last["settled"])

            until(settled, "the batch is settled")
            assert worker.process.poll() is None
            assert "chore.failed" not in worker.said
            assert "Unrecoverable" not in worker.said
        states = desk.run("status", "tenants", "--json", REDIS_URL=ledger.url).last["states"]
        assert (states["succeeded"], sandbox.stats()["posts"]) == (ROWS, ROWS)
        desk.leave()


async def test_a_connection_that_leads_to_a_replica_is_made_anew(tmp_path: Path) -> None:
    """After a failover the address leads to the new primary, and open connections to the old one."""
    with _valkey(tmp_path / "old") as old, _valkey(tmp_path / "new") as new:
        ports = [int(valkey.url.rpartition(":")[2].split("/")[0]) for valkey in (old, new)]

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, away = await asyncio.open_connection("127.0.0.1", ports[0])
            await asyncio.gather(_copy(reader, away), _copy(there, writer))

        server = await asyncio.start_server(forward, "127.0.0.1", 0)
        address = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        ledger = Ledger.at(address)
        call = transitions.take("acme", Rate(5), 1)
        await ledger.do(call)
        with Redis.from_url(old.url) as redis:
            redis.execute_command("REPLICAOF", "127.0.0.1", "1")
        ports.reverse()
        with pytest.raises(LedgerUnavailableError, match="is a replica and takes no writes"):
            await ledger.do(call)
        await ledger.do(call)
        await ledger.close()
        notifier = Notifier(make_app(Settings(redis_url=SecretStr(address))))
        await asyncio.to_thread(notifier.notify, "b1")
        with Redis.from_url(new.url) as redis:
            redis.execute_command("REPLICAOF", "127.0.0.1", "1")
        ports.reverse()
        with Redis.from_url(old.url) as redis:
            redis.execute_command("REPLICAOF", "NO", "ONE")
        with pytest.raises(LedgerUnavailableError):
            await asyncio.to_thread(notifier.notify, "b2")
        await asyncio.to_thread(notifier.notify, "b3")
        with Redis.from_url(old.url) as redis:
            assert redis.llen("celery") == 1
        server.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while some := await reader.read(65536):
        writer.write(some)
    writer.close()


async def test_a_connection_on_which_ping_is_refused_still_reads(tmp_path: Path) -> None:
    """While the disk is full Redis refuses PING too, by which an idle connection is tried."""
    with _valkey(tmp_path / "ledger") as valkey, Redis.from_url(valkey.url, decode_responses=True) as redis:
        ledger = Ledger.at(valkey.url)
        assert await ledger.redis.get("x") is None
        full_disk(redis, tmp_path)
        for connection in ledger.redis.connection_pool._available_connections:
            connection.next_health_check = 0.0
        assert await ledger.redis.get("x") is not None
        await ledger.close()
