"""A scenario: a claim, and the blow that puts it to the test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from chaos import disk
from chaos.serving import Server
from chaos.stage import ONE_SERVER, Stage, staged
from chaos.verdict import Verdict
from provisioning.errors import ProvisioningError
from tests.support.rabbitmq import RabbitMq

Play = Callable[[Stage], Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    One line of the matrix.

    Attributes:
        name: as `script/chaos --only` takes it.
        claim: what is shown, one sentence.
        play: does it, and says result.
        latency: of the sandbox, in seconds.
        server: what the ledger lies in.
        duplicates_allowed: the scenario chooses possible second widgets; the bounds must own up to them.
        priced: it shows what a configuration costs that is not the documented one; see `prices`.
    """

    name: str
    claim: str
    play: Play
    latency: str = "0.05-0.2"
    server: Server = ONE_SERVER
    duplicates_allowed: bool = False
    priced: bool = False

    def missing(self) -> str:
        """Why it cannot be played on this machine; empty if it can."""
        return disk.missing() if self.server.watched else ""

    async def run(self, seed: int, keep: Path | None = None, *, rabbitmq: RabbitMq | None = None) -> Verdict:
        """
        Plays it on a stage of its own. A scenario that cannot be played to its end is a broken promise too.

        Args:
            keep: folder that receives the logs when a promise was broken.
            rabbitmq: the broker, running; None for the ledger's own Valkey.
        """
        folder = Path(tempfile.mkdtemp(prefix=f"chaos-{self.name}-"))
        try:
            verdict = await self._play(folder, seed, rabbitmq)
            if not (self.duplicates_allowed or self.priced):
                verdict.demand(verdict.duplicate == 0, f"{verdict.duplicate} bodies made two widgets")
            if verdict.problems and keep is not None:
                shutil.copytree(folder, keep / self.name, dirs_exist_ok=True)
            return verdict
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _play(self, folder: Path, seed: int, rabbitmq: RabbitMq | None) -> Verdict:
        async with staged(folder, seed, latency=self.latency, server=self.server, rabbitmq=rabbitmq) as stage:
            try:
                return await self.play(stage)
            except (TimeoutError, RuntimeError, AssertionError, ProvisioningError, OSError) as error:
                return Verdict(problems=[f"{type(error).__name__}: {error}"])
