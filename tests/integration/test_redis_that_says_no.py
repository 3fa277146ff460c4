"""A Redis that is there and refuses: what it means is said, and what is advised suffices."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis import Redis as PlainRedis
from redis.exceptions import (
    ConnectionError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from provisioning.broker.redis_rights import rights
from provisioning.checks.at_start import check_ledger
from provisioning.checks.broker import check_broker
from provisioning.checks.finding import Finding, Level
from provisioning.config.settings import Settings
from provisioning.errors import LedgerUnavailableError, LedgerUnfitError
from provisioning.ledger import Ledger
from provisioning.ledger.client import refused, unavailable
from tests.integration.test_doctor_facts import certificate, valkey
from tests.support.repository import ROOT


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with valkey(tmp_path_factory.mktemp("acl"), "--appendonly", "yes") as url:
        yield url


def user(server: str, rules: str) -> str:
    """The address of this server for a user with these rules."""
    with PlainRedis.from_url(server) as redis:
        redis.execute_command("ACL", "SETUSER", "ana", "reset", "on", ">p", *rules.split())
    return server.replace("redis://", "redis://ana:p@")


async def findings(url: str) -> list[Finding]:
    settings = Settings.from_env({"PROVISION_REDIS_URL": url})
    async with Ledger.at(settings.redis or "") as ledger:
        found = await check_ledger(ledger)
    return found + list(check_broker(settings))


async def look(url: str) -> None:
    async with Ledger.at(url) as ledger:
        await ledger.queries.holds()


def fatal(found: list[Finding]) -> dict[str, str]:
    return {each.check: each.message for each in found if each.level is Level.FATAL}


async def test_the_rules_that_are_advised_suffice(server: str) -> None:
    assert rights() in (ROOT / "docs" / "how-to" / "run-workers.md").read_text()
    assert fatal(await findings(user(server, rights()))) == {}


@pytest.mark.parametrize(
    ("rules", "check", "said"),
    [
        ("~* resetchannels +@all", "broker.rights", "PSUBSCRIBE /0.celery.pidbox"),
        ("~pv:* allchannels +@all", "broker.rights", "LREM celery"),
        ("~* allchannels +@all -@dangerous", "redis.rights", "INFO"),
        ("~pv:* ~celery* ~unacked* ~_kombu* allchannels +@all", "broker.rights", "LLEN *.celery.pidbox"),
        ("~* allchannels +@all -brpop", "broker.rights", "BRPOP celery"),
        ("~* allchannels +@all -eval -evalsha", "redis.rights", "EVAL"),
    ],
)
async def test_a_right_that_a_worker_needs_is_missed(server: str, rules: str, check: str, said: str) -> None:
    found = await findings(user(server, rules))
    assert said in fatal(found)[check]
    advice = next(each.advice for each in found if each.check == check)
    name, _, rest = advice.removeprefix("ACL SETUSER ").partition(" ")
    assert name in ("ana", "NAME")
    assert fatal(await findings(user(server, rest))) == {}


async def test_trying_what_celery_needs_moves_no_message(server: str) -> None:
    with PlainRedis.from_url(server) as redis:
        redis.rpush("celery", "a message")
        redis.hset("unacked", "tag", "another")
        await findings(server)
        assert redis.lrange("celery", 0, -1) == [b"a message"]
        assert redis.hgetall("unacked") == {b"tag": b"another"}
        redis.flushall()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "Redis is full"),
        (ResponseError("OOM command not allowed"), "Redis is full"),
        (
            NoPermissionError("User ana has no permissions to run the 'info' command"),
            "does not let this user do that",
        ),
        (ReadOnlyError("You can't write against a read only replica."), "is a replica"),
        (ResponseError("MISCONF Redis is configured to save RDB snapshots"), "cannot write to its disk"),
        (ResponseError("unknown command 'ZMSCORE'"), "refused a command: unknown command 'ZMSCORE'"),
    ],
)
def test_a_refusal_is_told_by_what_it_means(error: RedisError, said: str) -> None:
    assert said in refused(error).message
    assert refused(error).hint


@pytest.fixture
async def ledger_elsewhere(server: str) -> AsyncIterator[Ledger]:
    async with Ledger.at(server) as ledger:
        yield ledger


async def test_a_redis_with_too_many_clients_is_not_to_be_started(ledger_elsewhere: Ledger) -> None:
    said = unavailable(ledger_elsewhere.redis, ConnectionError("max number of clients reached"))
    assert "takes no further connections" in said.message
    assert "start it" not in said.hint


async def test_a_full_redis_is_called_full(tmp_path: Path) -> None:
    async def write(url: str) -> None:
        async with Ledger.at(url) as ledger:
            redis: Any = ledger.redis
            await redis.set("x", "y")

    with (
        valkey(tmp_path, "--appendonly", "yes", "--maxmemory", "1mb") as url,
        pytest.raises(LedgerUnavailableError, match="is full"),
    ):
        await write(url)


async def test_a_database_that_is_not_there_is_no_outage(server: str) -> None:
    with pytest.raises(LedgerUnfitError, match="no database of that number"):
        await look(server.removesuffix("/0") + "/99")


async def test_an_authority_that_is_not_trusted_is_said_to_be_that(tmp_path: Path) -> None:
    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    tls = certificate(tmp_path, days=90)
    async with await asyncio.start_server(never, "127.0.0.1", 0, ssl=tls) as there:
        port = there.sockets[0].getsockname()[1]
        with pytest.raises(LedgerUnfitError, match="self-signed certificate") as caught:
            await look(f"rediss://127.0.0.1:{port}")
    assert "ssl_ca_certs" in caught.value.hint


@contextlib.asynccontextmanager
async def behind_tls(server: str, folder: Path, *, days: int = 90) -> AsyncIterator[str]:
    """The address of this server behind TLS, with a certificate of its own: `ca.pem` in the folder."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, OSError):
            while part := await reader.read(65_536):
                writer.write(part)
                await writer.drain()
        writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", urlsplit(server).port)
        await asyncio.gather(pass_on(reader, there[1]), pass_on(there[0], writer))

    tls = certificate(folder, days=days)
    async with await asyncio.start_server(forward, "127.0.0.1", 0, ssl=tls) as front:
        yield f"rediss://127.0.0.1:{front.sockets[0].getsockname()[1]}/0"


async def reached(url: str) -> tuple[Finding, ...]:
    """What the doctor says of a broker, asked off the loop that serves it."""
    settings = Settings.from_env({"PROVISION_REDIS_URL": url, "PROVISION_BROKER_URL": url})
    return await asyncio.to_thread(lambda: tuple(check_broker(settings)))


async def test_celery_takes_no_certificate_of_anybody(server: str, tmp_path: Path) -> None:
    async with behind_tls(server, tmp_path) as url:
        [refusal] = await reached(url)
        assert refusal.level is Level.FATAL
        assert "certificate verify failed" in refusal.message.lower()
        for options in (f"ssl_ca_certs={tmp_path / 'ca.pem'}", "ssl_cert_reqs=none"):
            assert {each.level for each in await reached(f"{url}?{options}")} == {Level.OK}


async def test_a_certificate_that_has_run_out_is_waited_for(server: str, tmp_path: Path) -> None:
    async with behind_tls(server, tmp_path, days=-1) as url:
        with pytest.raises(LedgerUnavailableError, match="expired") as caught:
            await look(f"{url}?ssl_ca_certs={tmp_path / 'ca.pem'}")
    assert not isinstance(caught.value, LedgerUnfitError)
