"""
`sentinels://`: TLS to the Sentinels and to whom they name, with an authority of one's own.

The embedded Valkey is built without TLS, so a front ends it before each server. The Sentinels themselves go
through the primary's front in clear: it looks at the first byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from provisioning.broker.queue import Notifier, Waiting, make_app
from provisioning.config.settings import Settings
from provisioning.errors import LedgerUnavailableError, LedgerUnfitError
from provisioning.ledger import Ledger
from tests.integration.test_doctor_facts import certificate
from tests.support.sentinels import running_sentinels

TLS_BEGINS = b"\x16"


def _serve(server: socket.socket, port: int, tls: ssl.SSLContext) -> None:
    with contextlib.suppress(OSError):
        while True:
            here, _ = server.accept()
            threading.Thread(target=_join, args=(here, port, tls), daemon=True).start()


def _join(here: socket.socket, port: int, tls: ssl.SSLContext) -> None:
    with contextlib.suppress(OSError):
        if here.recv(1, socket.MSG_PEEK) == TLS_BEGINS:
            here = tls.wrap_socket(here, server_side=True)
        there = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=_copy, args=(there, here), daemon=True).start()
        _copy(here, there)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(1 << 16):
            sink.sendall(part)
        sink.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _fronts(ports: list[int], tls: ssl.SSLContext) -> Iterator[list[int]]:
    """Ports at which those of others are behind TLS."""
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in ports]
    for server, port in zip(servers, ports, strict=True):
        threading.Thread(target=_serve, args=(server, port, tls), daemon=True).start()
    try:
        yield [int(server.getsockname()[1]) for server in servers]
    finally:
        for server in servers:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Sentinels behind TLS that call a primary behind TLS `secure`; and the file of their authority."""
    folder = tmp_path_factory.mktemp("tls")
    tls = certificate(folder, days=90)
    with (
        running_sentinels(folder / "redis", replicas=0) as sentinels,
        _fronts([*sentinels.servers, *sentinels.sentinels], tls) as (primary, *fronts),
    ):
        for port in sentinels.sentinels:
            with sentinels.sentinel(port) as sentinel:
                sentinel.sentinel_monitor("secure", "127.0.0.1", primary, 2)
        yield ",".join(f"127.0.0.1:{port}" for port in fronts), folder / "ca.pem"


async def test_ledger_and_broker_go_by_tls(places: tuple[str, Path]) -> None:
    hosts, authority = places
    for options in (f"ssl_ca_certs={authority}", "ssl_cert_reqs=none"):
        url = f"sentinels://{hosts}/secure/0?{options}"
        async with Ledger.at(url) as ledger:
            await ledger.queries.holds()
            [connection] = ledger.redis.connection_pool._available_connections
            assert connection._writer is not None
            assert connection._writer.get_extra_info("ssl_object") is not None
        app = make_app(Settings(redis_url=SecretStr(url)))
        await asyncio.to_thread(Notifier(app).notify, "b1")
        waiting = Waiting(app)
        assert await asyncio.to_thread(waiting.count) >= 1
        waiting.close()


async def test_an_authority_that_is_not_trusted_is_said_to_be_that(places: tuple[str, Path]) -> None:
    url = f"sentinels://{places[0]}/secure/0"
    async with Ledger.at(url) as ledger:
        with pytest.raises(LedgerUnfitError, match="self-signed certificate") as caught:
            await ledger.queries.holds()
    assert "ssl_ca_certs" in caught.value.hint
    notifier = Notifier(make_app(Settings(redis_url=SecretStr(url))))
    with pytest.raises(LedgerUnavailableError, match="self-signed certificate"):
        await asyncio.to_thread(notifier.notify, "b1")
