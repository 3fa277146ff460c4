"""What the ledger of a scenario lies in: one server, several behind one address, or under Sentinels."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.valkey import Fsync, Valkey
from tests.support.replicas import Replicas
from tests.support.sentinels import Sentinels, running_sentinels


@dataclass(frozen=True, slots=True)
class Server:
    """
    What a scenario asks for.

    Attributes:
        fsync: Valkey's `appendfsync`.
        watched: it is known what reaches its disk, so that its power can be cut.
        confirming: `PROVISION_REDIS_REPLICAS` before a primary and two replicas; None for one server alone.
        guarded: Sentinels choose the primary; their own servers are always `appendfsync always`.
    """

    fsync: Fsync = "everysec"
    watched: bool = False
    confirming: int | None = None
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class Serving:
    """
    What runs.

    Attributes:
        url: the address that workers and producers know.
        server: one alone, or else None; so with the others.
    """

    url: str
    server: Valkey | None = None
    replicas: Replicas | None = None
    sentinels: Sentinels | None = None


@asynccontextmanager
async def serving(folder: Path, asked: Server) -> AsyncIterator[Serving]:
    """Runs what was asked for, with its data in `folder`, until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    if asked.guarded:
        with running_sentinels(folder) as sentinels:
            yield Serving(sentinels.url, sentinels=sentinels)
    elif asked.confirming is not None:
        replicas = Replicas(folder, asked.fsync)
        try:
            await replicas.start()
            yield Serving(replicas.front.url, replicas=replicas)
        finally:
            replicas.stop()
    else:
        server = Valkey(folder, asked.fsync, watched=asked.watched)
        server.start()
        try:
            yield Serving(server.url, server=server)
        finally:
            server.kill()
