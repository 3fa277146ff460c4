"""Brakes put on and tried from this worker; how they come off by themselves is the ledger's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from provisioning import log_events
from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import LOST, Hold, Ledger, transitions
from provisioning.logs import say
from worker.perform import Shown
from worker.telemetry import BrakeApplied, BrakeReleased, Telemetry

T = TypeVar("T")

CANARY_AFTER = 2.0
"""Seconds from an outage's brake to the first canary; doubled after each that fails."""

LONGEST_PAUSE = 60.0
"""Seconds between canaries at most: how long an API may be back before we notice."""


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

    async def apply(self, scope: str, cause: str, why: str, heals: bool) -> None:
        """Puts a brake on; of many that call for the same one at once, the first is heard."""
        if scope not in self._applying:
            applying = asyncio.create_task(self._apply(scope, cause, why, heals))
            self._applying[scope] = applying
            applying.add_done_callback(lambda _: self._applying.pop(scope))
        await asyncio.shield(self._applying[scope])

    async def _apply(self, scope: str, cause: str, why: str, heals: bool) -> None:
        hold = Hold(scope=scope, at=time.time(), by=self._name, why=why, kind="brake")
        call = transitions.brake(hold, canary_after=CANARY_AFTER if heals else None)
        if await _insist(lambda: self._ledger.do(call)):
            self._telemetry.tell(BrakeApplied(scope, why, cause, heals))

    async def tried(self, scope: str, shown: Shown) -> None:
        """Tells a scope's brake what a job has shown that was let through it."""
        call = transitions.tried(scope, shown, longest_pause=LONGEST_PAUSE)
        if await _insist(lambda: self._ledger.do(call)):
            self._telemetry.tell(BrakeReleased(scope))


async def _insist(ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Asks the ledger until it answers."""
    while True:
        try:
            return await ask()
        except (LedgerUnavailableError, *LOST) as error:
            say(log_events.LEDGER_LOST, doing="brake", delay_s=1.0, error=error)
            await asyncio.sleep(1.0)
