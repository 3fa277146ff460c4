"""Brakes put on from this worker, and what the probe of a person's word has shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import Hold, Ledger, Shown, transitions
from provisioning.observability import log_events
from provisioning.observability.logs import log_event
from worker.events.telemetry import BrakeApplied, BrakeReleased, Telemetry

T = TypeVar("T")


class Brakes:
    """
    Puts brakes on, whatever it takes: no POST of theirs is to be begun while the ledger does not know.

    Args:
        name: the worker's, which stands as who put it on.
    """

    def __init__(self, ledger: Ledger, telemetry: Telemetry, *, name: str) -> None:
        self._ledger = ledger
        self._telemetry = telemetry
        self._name = name
        self._applying: dict[str, asyncio.Task[None]] = {}

    async def apply(self, scope: str, cause: str, why: str) -> None:
        """Puts a brake on; of many that call for the same one at once, the first is heard."""
        if scope not in self._applying:
            applying = asyncio.create_task(self._apply(scope, cause, why))
            self._applying[scope] = applying
            applying.add_done_callback(lambda _: self._applying.pop(scope))
        await asyncio.shield(self._applying[scope])

    async def _apply(self, scope: str, cause: str, why: str) -> None:
        hold = Hold(scope=scope, at=time.time(), by=self._name, why=why, kind="brake")
        if await _insist(lambda: self._ledger.do(transitions.hold(hold))):
            self._telemetry.tell(BrakeApplied(scope, why, cause))

    async def tried(self, scope: str, shown: Shown) -> None:
        """Tells a scope's brake what a job has shown that was let through it."""
        if await _insist(lambda: self._ledger.do(transitions.tried(scope, shown))):
            self._telemetry.tell(BrakeReleased(scope))


async def _insist(ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Asks the ledger until it answers."""
    while True:
        try:
            return await ask()
        except LedgerUnavailableError as error:
            log_event(log_events.LEDGER_LOST, doing="brake", delay_s=1.0, error=error)
            await asyncio.sleep(1.0)
