"""Waiting for events of the ledger: one reader per process wakes all that wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict

from provisioning.errors import ProvisioningError
from provisioning.ledger import Ledger
from provisioning.ledger.events import LONGEST_WAIT

LOOK_AGAIN = 1.0
"""Seconds until the next attempt while Redis is unavailable or refuses."""


class EventWaiters:
    """Reads the events of the ledger and wakes the tasks that wait for an event of one batch, or of any."""

    def __init__(self, ledger: Ledger) -> None:
        self._events = ledger.events
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)

    async def run(self, closing: asyncio.Event) -> None:
        """Reads events and wakes the tasks that wait for them, until `closing`; waits for Redis."""
        last = ""
        reading = asyncio.ensure_future(closing.wait())
        while not closing.is_set():
            try:
                last = last or await self._events.last()
                wait = asyncio.ensure_future(self._events.wait(last, LONGEST_WAIT))
                await asyncio.wait((wait, reading), return_when=asyncio.FIRST_COMPLETED)
                if not wait.done():
                    wait.cancel()
                    await asyncio.gather(wait, return_exceptions=True)
                    break
                for event in wait.result():
                    last = event.id
                    self._wake(event.batch)
            except ProvisioningError:
                self._wake("")  # those that wait find out that Redis is unavailable
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(closing.wait(), LOOK_AGAIN)
        reading.cancel()
        for batch in list(self._waiting):
            self._wake(batch)

    async def wait(self, batch: str, seconds: float) -> None:
        """Waits for an event of a batch, or of any batch if that is empty, or until the time is over."""
        woken = asyncio.Event()
        self._waiting[batch].add(woken)
        try:
            async with asyncio.timeout(seconds):
                await woken.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting[batch].discard(woken)
            if not self._waiting[batch]:
                del self._waiting[batch]

    def _wake(self, batch: str) -> None:
        for each in {batch, ""}:
            for woken in self._waiting.get(each, ()):
                woken.set()
