"""Circuit breakers: the brakes that this worker applies, and the results of probes through them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from provisioning import scopes
from provisioning.attempt import Outcome
from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import Hold, Ledger, Shown, transitions
from provisioning.observability import log_events
from provisioning.observability.logs import log_event
from worker.classification import Classification
from worker.events.telemetry import BrakeApplied, BrakeReleased, Telemetry
from worker.execution.policy import Halt
from worker.execution.posted import Posted

T = TypeVar("T")


class Brakes:
    """
    Applies brakes and retries until the ledger has recorded them: no POST in their scope may start before.

    Args:
        worker: its name, recorded as the actor of the brake.
        target: base address of the API.
    """

    def __init__(self, ledger: Ledger, telemetry: Telemetry, *, worker: str, target: str) -> None:
        self._ledger = ledger
        self._telemetry = telemetry
        self._worker = worker
        self._target = target
        self._applying: dict[str, asyncio.Task[None]] = {}

    async def halt(self, decision: Halt, classified: Classification, credential: str) -> None:
        """Applies a brake to the credential or the target that an answer has shown to be wrong."""
        text = f"{classified.cause}: {classified.message}" if classified.message else classified.cause
        if decision.scope == "credential":
            await self._apply_once(
                scopes.of_credential(credential),
                classified.cause,
                f"the API refused credential {credential!r} ({text}); correct it, then: provision resume"
                f" --credential {credential}, and restart the workers (or apply again where one command did"
                " all)",
            )
        elif decision.scope == "target":
            await self._apply_once(
                scopes.of_target(self._target),
                classified.cause,
                f"{self._target} does not answer as the API does ({text}); correct PROVISION_API_URL,"
                " restart the workers, then: provision resume --target",
            )

    async def halt_missing_credential(self, credential: str) -> None:
        """Applies a brake to a credential that this worker does not have."""
        await self._apply_once(
            scopes.of_credential(credential),
            "no_credential",
            f"worker {self._worker} has no credential named {credential!r}; add it to"
            " PROVISION_CREDENTIALS_FILE where the workers run, restart them, then: provision resume"
            f" --credential {credential}",
        )

    async def halt_sealed(self, batch: str) -> None:
        """Applies a brake to a batch whose bodies this worker cannot decrypt."""
        await self._apply_once(
            scopes.of_batch(batch),
            "sealed",
            f"worker {self._worker} cannot open its bodies with PROVISION_ENCRYPTION_KEYS; give it the keys"
            f" the others have, restart it, then: provision resume {batch}",
        )

    async def report_probe(self, posted: Posted, credential: str) -> None:
        """Records what a probe through a brake has shown of the credential and of the target."""
        outcome = posted.classified.outcome
        served = outcome in (Outcome.CREATED, Outcome.REJECTED)
        shown = Shown.GOOD if served else Shown.BAD if outcome is Outcome.DENIED else Shown.UNCLEAR
        alive = served or outcome is Outcome.DENIED or posted.reply.status == 429
        await self._report(scopes.of_credential(credential), shown)
        await self._report(scopes.of_target(self._target), Shown.GOOD if alive else Shown.BAD)

    async def _report(self, scope: str, shown: Shown) -> None:
        if await _insist(lambda: self._ledger.do(transitions.probe_result(scope, shown))):
            self._telemetry.publish(BrakeReleased(scope))

    async def _apply_once(self, scope: str, cause: str, message: str) -> None:
        """Applies a brake; of concurrent calls for the same one, the first counts."""
        if scope not in self._applying:
            applying = asyncio.create_task(self._apply(scope, cause, message))
            self._applying[scope] = applying
            applying.add_done_callback(lambda _: self._applying.pop(scope))
        await asyncio.shield(self._applying[scope])

    async def _apply(self, scope: str, cause: str, message: str) -> None:
        hold = Hold(scope=scope, at=time.time(), by=self._worker, why=message, kind="brake")
        if await _insist(lambda: self._ledger.do(transitions.hold(hold))):
            self._telemetry.publish(BrakeApplied(scope, message, cause))


async def _insist(ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Repeats a call until the ledger answers."""
    while True:
        try:
            return await ask()
        except LedgerUnavailableError as error:
            log_event(log_events.LEDGER_LOST, doing="brake", delay_s=1.0, error=error)
            await asyncio.sleep(1.0)
