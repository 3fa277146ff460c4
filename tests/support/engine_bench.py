"""A real engine on the test's own loop, against a real Valkey and a real sandbox."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from producers.submit import submit
from provisioning.config.credentials import load_credentials
from provisioning.config.settings import Settings
from provisioning.job import NewJob
from provisioning.ledger import BatchStatus, Ledger
from provisioning.ledger.client import Client
from provisioning.pace import Rate
from worker.dispatch.engine import Engine
from worker.events.telemetry import Listener

DEADLINE = 30.0
"""Seconds that a test waits for what it expects: far more than it takes, for busy machines."""


class Bench:
    """A ledger, the settings of its workers, and whatever engines run on it."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self.ledger = ledger
        self.settings = settings

    def at(self, url: str, **changes: Any) -> Bench:
        """The same ledger with the API at another address; settings may differ from the bench's."""
        return Bench(self.ledger, self.settings.model_copy(update={"api_url": url, **changes}))

    @asynccontextmanager
    async def engine(
        self, name: str = "w1", *, listeners: Sequence[Listener] = (), **changes: Any
    ) -> AsyncIterator[Engine]:
        """A running engine; settings may differ from the bench's."""
        settings = self.settings.model_copy(update=changes)
        ledger = Ledger(
            Client(connection_pool=self.ledger.redis.connection_pool),
            masters=settings.masters,
            replicas=settings.redis_replicas,
            primary=self.ledger.primary,
        )
        engine = Engine(
            settings,
            ledger,
            load_credentials(settings),
            name=name,
            notify=lambda _: None,
            listeners=listeners,
        )
        await engine.start()
        try:
            yield engine
        finally:
            await engine.stop()

    async def submit(self, name: str, jobs: Sequence[NewJob], **meta: str) -> str:
        """Hands jobs over; rings nobody, since every engine looks for itself. Returns: the batch."""
        done = await submit(self.ledger, jobs, name=name, actor="test", notify=lambda _: None, meta=meta)
        return done.batch

    async def status(self, batch: str) -> BatchStatus:
        return await self.ledger.queries.status(batch)

    async def until(
        self, batch: str, holds: Callable[[BatchStatus], bool], *, patience: float = DEADLINE
    ) -> BatchStatus:
        """Waits until a batch is as expected. Raises: AssertionError after `patience` seconds."""
        deadline = time.monotonic() + patience
        while True:
            status = await self.status(batch)
            if holds(status):
                return status
            assert time.monotonic() < deadline, status.public()
            await asyncio.sleep(0.02)

    async def settled(self, batch: str) -> BatchStatus:
        """Waits until a batch has settled."""
        return await self.until(batch, lambda status: status.settled)


@asynccontextmanager
async def fresh_bench(valkey_url: str, **changes: Any) -> AsyncIterator[Bench]:
    """A bench on an emptied Valkey, with the sandbox's credential and no pace; `changes` are settings."""
    given = {"client_id": "sandbox", "client_secret": SecretStr("sandbox"), "rate": Rate(None)} | changes
    async with Ledger.at(valkey_url, connections=64) as ledger:
        await ledger.redis.flushall()
        yield Bench(ledger, Settings(redis_url=SecretStr(valkey_url), **given))


def credentials_file(folder: Path, **clients: str) -> Path:
    """Credentials besides the default one, by name: client id and secret as `id:secret`."""
    file = folder / "credentials.toml"
    with file.open("w", encoding="utf-8") as stream:
        for name, client in {"default": "sandbox:sandbox", **clients}.items():
            client_id, _, secret = client.partition(":")
            stream.write(f"[{name}]\nclient_id='{client_id}'\nclient_secret='{secret}'\n")
    return file


def jobs(
    count: int, *, credential: str = "default", prefix: str = "k", bot: int = 100_200_300
) -> list[NewJob]:
    """Jobs with a body each of its own, none of which the sandbox rejects."""
    return [
        NewJob(
            key=f"{prefix}{n}",
            credential=credential,
            body=b'{"bot":{"id":"%d"},"widget":{"properties":{"name":"%s"}}}'
            % (bot + n, f"{credential}-{prefix}{n}".encode()),
        )
        for n in range(count)
    ]
