"""
The stage of one scenario: a Valkey, a sandbox, workers to be hurt, and a ledger to look at it all.

Everything is its own: ports, data, logs. When the block ends every process that it started is gone.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from pydantic import SecretStr
from redis.asyncio import Redis

from chaos.load import jobs
from chaos.processes import Victim
from chaos.serving import Server, Serving, serving
from chaos.valkey import Valkey
from chaos.verdict import Verdict, examine
from producers.submit import submit
from provisioning.broker.queue import Notifier, Waiting, make_app
from provisioning.config.settings import PREFIX, Settings
from provisioning.errors import LedgerUnavailableError
from provisioning.job import NewJob
from provisioning.ledger import BatchStatus, Ledger
from provisioning.lifecycle import State
from provisioning.messages import QUEUE, SUBMIT
from tests.support.rabbitmq import RabbitMq
from tests.support.replicas import Replicas
from tests.support.sandbox_process import SandboxProcess, running_sandbox
from tests.support.sentinels import Sentinels

ONE_SERVER = Server()
"""The ledger lies in one, as in most scenarios."""

SETTLE_SECONDS = 30.0
"""Promised from any blow to a settled batch (issue 3); with the lease of `SETTINGS` it takes a few."""

WAIT_SECONDS = 60.0
"""Waited for anything that the scenario itself needs, such as a worker that is up."""

SETTINGS = {
    "CLIENT_ID": "sandbox",
    "CLIENT_SECRET": "sandbox",
    "RATE": "unlimited",
    "MAX_IN_FLIGHT": "50",
    "LEASE": "2",
    "BACKOFF_BASE": "0.1",
}
"""The shortest lease that is allowed, so that a run is quick; `default-lease` keeps the default."""


class Stage:
    """
    What a scenario works with.

    Attributes:
        random: the scenario's only source of chance, seeded.
        ring: the doorbell, as producers have it.
        rabbitmq: the broker; None where it is the ledger's.
    """

    def __init__(
        self,
        folder: Path,
        served: Serving,
        sandbox: SandboxProcess,
        ledger: Ledger,
        seed: int,
        rabbitmq: RabbitMq | None = None,
    ) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.ledger = ledger
        self.random = random.Random(seed)
        self.rabbitmq = rabbitmq
        broker = SecretStr(rabbitmq.url) if rabbitmq else None
        self._served = served
        self._app = make_app(Settings(redis_url=SecretStr(served.url), broker_url=broker))
        self.notify = Notifier(self._app).notify
        self.workers: list[Victim] = []
        self._victims: list[Victim] = []

    @property
    def valkey(self) -> Valkey:
        """The ledger's server, where it is one alone."""
        assert self._served.server is not None
        return self._served.server

    @property
    def replicas(self) -> Replicas:
        """The ledger's servers, where they are several behind one address."""
        assert self._served.replicas is not None
        return self._served.replicas

    @property
    def sentinels(self) -> Sentinels:
        """The ledger's servers, where Sentinels choose the primary."""
        assert self._served.sentinels is not None
        return self._served.sentinels

    @property
    def redis(self) -> Redis:
        """The Valkey, to be looked into and to be meddled with."""
        return self.ledger.redis

    def waiting(self) -> int:
        """Messages that wait on the broker. Raises: LedgerUnavailableError if that is away."""
        waiting = Waiting(self._app)
        try:
            return waiting.count()
        finally:
            waiting.close()

    # --- Processes ---

    def worker(
        self, name: str, *, die_at: str | None = None, nth: int = 1, node: str = "", **settings: str
    ) -> Victim:
        """
        Starts a worker.

        Args:
            node: its whole name as Celery has it; made from `name` and its process id unless given.
            settings: as `PROVISION_*`, in lower case and without the prefix; empty for the default.
        """
        deadly = ["--die-at", die_at, "--nth", str(nth)] if die_at else []
        arguments = [*deadly, "--name", name, "--node", node]
        worker = Victim(name, "chaos.worker", arguments, self._env(settings), self.folder)
        self.workers.append(worker)
        self._victims.append(worker)
        return worker

    def submitter(self, name: str, count: int, *, die_at: str | None = None, nth: int = 1) -> Victim:
        """Starts a submission of `jobs(count)` as the batch `tenants`."""
        deadly = ["--die-at", die_at, "--nth", str(nth)] if die_at else []
        arguments = [*deadly, "--count", str(count), "--name", "tenants"]
        submitter = Victim(name, "chaos.submitter", arguments, self._env({}), self.folder)
        self._victims.append(submitter)
        return submitter

    async def up(self, *workers: Victim) -> None:
        """Waits until these workers look for work."""

        def all_up() -> bool:
            for worker in workers:
                if not worker.alive:
                    raise RuntimeError(f"{worker.name} left with {worker.code} before it was up")
            return all(worker.has_logged(" ready.") for worker in workers)

        await self.until(all_up, "the workers are up")

    @property
    def in_flight(self) -> int:
        """POSTs that living workers have begun and not recorded."""
        return sum(worker.in_flight for worker in self.workers if worker.alive)

    def end(self) -> None:
        """Ends every process but Valkey and the sandbox."""
        for victim in self._victims:
            victim.end()

    def _env(self, settings: Mapping[str, str]) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        given = {
            **SETTINGS,
            "API_URL": self.sandbox.url,
            "REDIS_URL": self._served.url,
            "REDIS_REPLICAS": str(self.ledger.replicas),
            "BROKER_URL": self.rabbitmq.url if self.rabbitmq else "",
            **{name.upper(): value for name, value in settings.items()},
        }
        return inherited | {PREFIX + name: value for name, value in given.items() if value}

    # --- Work ---

    async def submit(self, work: Sequence[NewJob], name: str = "tenants", *, notify: bool = True) -> str:
        """Hands jobs over and rings, if it is not told to keep still. Returns: the batch."""
        bell = self.notify if notify else lambda _: None
        done = await submit(self.ledger, work, name=name, actor="chaos", notify=bell)
        return done.batch

    def sign_up(self, job: NewJob, batch: str) -> None:
        """Sends a job as another service would: by a message of its own."""
        body = msgspec.json.decode(job.body)
        message = {"jobs": [{"key": job.key, **body}], "batch": batch}
        self._app.send_task(SUBMIT, kwargs=message)

    async def status(self, batch: str) -> BatchStatus:
        return await self.ledger.queries.status(batch)

    async def settled(self, batch: str, since: float) -> float:
        """
        Waits until nothing of a batch moves any more: settled, and nobody holds an answer to record.

        Args:
            since: monotonic seconds of the blow.

        Returns: seconds from the blow. Raises: TimeoutError after more than are promised.
        """

        async def still() -> bool:
            if self.in_flight or self.sandbox.stats()["in_flight"]:
                return False
            return (await self.status(batch)).settled

        await self.until(still, "the batch is settled", SETTLE_SECONDS)
        return time.monotonic() - since

    async def until(
        self, holds: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS, pause: float = 0.02
    ) -> None:
        """Waits until `holds()` does. Raises: TimeoutError."""
        deadline = time.monotonic() + seconds
        while True:
            # A Valkey that is away, or a connection that has not survived it.
            with suppress(LedgerUnavailableError):
                found = holds()
                if await found if asyncio.iscoroutine(found) else found:
                    return
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds:g} s in vain until {what}")
            await asyncio.sleep(pause)

    async def succeeded(self, batch: str, count: int) -> None:
        """Waits until that many jobs of a batch have succeeded."""

        async def enough() -> bool:
            return (await self.status(batch)).states[State.SUCCEEDED] >= count

        await self.until(enough, f"{count} jobs have succeeded")

    # --- Judgement ---

    async def verdict(
        self, batch: str, accepted: Sequence[NewJob] | int, *, in_flight: int, seconds: float
    ) -> Verdict:
        """What has come of it, with the promises that every scenario must keep but one (`retry`)."""
        work = jobs(accepted) if isinstance(accepted, int) else accepted
        verdict = await examine(self.ledger, self.sandbox, batch, work)
        verdict.in_flight = in_flight
        verdict.seconds = seconds
        verdict.demand(
            verdict.in_doubt <= in_flight,
            f"{verdict.in_doubt} in doubt, only {in_flight} were in flight",
        )
        verdict.demand(
            seconds <= SETTLE_SECONDS, f"settled after {seconds:.1f} s, promised are {SETTLE_SECONDS:g}"
        )
        return verdict


@asynccontextmanager
async def staged(
    folder: Path,
    seed: int,
    *,
    latency: str = "0.05-0.2",
    server: Server = ONE_SERVER,
    rabbitmq: RabbitMq | None = None,
) -> AsyncIterator[Stage]:
    """A stage with Valkey and sandbox running and no worker yet; the broker's queue is empty."""
    with running_sandbox("--latency", latency, "--seed", str(seed)) as sandbox:
        async with serving(folder / "valkey", server) as served:
            if rabbitmq is not None:
                rabbitmq.purge(QUEUE)
            stage = None
            try:
                async with Ledger.at(served.url, replicas=server.confirming or 0) as ledger:
                    stage = Stage(folder, served, sandbox, ledger, seed, rabbitmq)
                    yield stage
            finally:
                if stage is not None:
                    stage.end()
