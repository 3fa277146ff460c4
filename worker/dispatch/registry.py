"""A worker's signs of life in the ledger, and what it shows its own watchdog of Redis and the broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from provisioning.errors import LedgerUnavailableError
from provisioning.health.liveness import Liveness
from provisioning.ledger import Ledger, WorkerSign, worker_registry
from provisioning.messages import QUEUE
from provisioning.observability import log_events
from provisioning.observability.logs import log_event


class WorkerRegistry:
    """
    Shows that a worker is there.

    Args:
        signs: where the watchdog looks; None where there is none.
        waiting: asks the broker how many messages wait, where that is not the ledger's Redis. May block.
    """

    def __init__(
        self, ledger: Ledger, *, name: str, signs: Liveness | None, waiting: Callable[[], int] | None
    ) -> None:
        self._ledger = ledger
        self._name = name
        self._signs = signs
        self._waiting = waiting

    async def sign(self, state: WorkerSign) -> None:
        """Gives the ledger a sign of life, and the watchdog one of the ledger."""
        queue = QUEUE if self._waiting is None else None
        messages = await worker_registry.sign(self._ledger, state, queue=queue)
        if self._signs is None:
            return
        self._signs.ledger = time.monotonic()
        self._signs.looked = True
        if messages == 0:
            self._signs.message = time.monotonic()

    async def sign_off(self) -> None:
        """Says that the worker leaves."""
        await worker_registry.sign_off(self._ledger, self._name)

    async def ask_broker(self) -> None:
        """Shows the watchdog that no message waits, or that the broker is away and Celery waits for it."""
        if self._waiting is None or self._signs is None:
            return
        try:
            if await asyncio.to_thread(self._waiting) == 0:
                self._signs.message = time.monotonic()
        except LedgerUnavailableError as error:
            log_event(log_events.BROKER_LOST, error=error)
            self._signs.reconnect_at(time.monotonic())
