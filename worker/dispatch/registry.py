"""A worker's liveness: registered in the ledger, for other processes, and reported to its own watchdog."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from provisioning.errors import LedgerUnavailableError
from provisioning.health.liveness import Liveness
from provisioning.ledger import Ledger, WorkerSign, worker_registry
from provisioning.messages import QUEUE
from provisioning.observability import log_events
from provisioning.observability.logs import log_event
from worker.dispatch.periodic import TICK


def _no_heartbeat() -> None: ...


@dataclass(frozen=True, slots=True)
class Supervision:
    """
    How the process of an engine is supervised.

    Attributes:
        signs: what the watchdog reads; None if there is no watchdog.
        heartbeat: called once a second by the engine's loop.
        waiting: counts the messages that wait on the broker, if that is not the ledger's Redis. May block;
            called off the loop.
    """

    signs: Liveness | None = None
    heartbeat: Callable[[], None] = _no_heartbeat
    waiting: Callable[[], int] | None = None


UNSUPERVISED = Supervision()


class WorkerRegistry:
    """
    Registers a worker and keeps its entry fresh.

    Args:
        name: the worker's.
    """

    def __init__(self, ledger: Ledger, *, name: str, supervision: Supervision = UNSUPERVISED) -> None:
        self._ledger = ledger
        self._name = name
        self._signs = supervision.signs
        self._heartbeat = supervision.heartbeat
        self._waiting = supervision.waiting

    async def sign(self, state: WorkerSign) -> None:
        """Refreshes the worker's entry in the ledger, and reports to the watchdog that the ledger answers."""
        queue = QUEUE if self._waiting is None else None
        messages = await worker_registry.sign(self._ledger, state, queue=queue)
        if self._signs is None:
            return
        self._signs.ledger = time.monotonic()
        self._signs.looked = True
        if messages == 0:
            self._signs.message = time.monotonic()

    async def sign_off(self) -> None:
        """Removes the worker's entry."""
        await worker_registry.sign_off(self._ledger, self._name)

    async def show_turns(self) -> None:
        """Reports to the watchdog that this loop runs."""
        while self._signs:
            self._signs.engine = time.monotonic()
            self._heartbeat()
            await asyncio.sleep(TICK)

    @property
    def has_own_broker(self) -> bool:
        """Whether the broker is a server other than the ledger's Redis."""
        return self._waiting is not None

    async def ask_broker(self) -> None:
        """Reports to the watchdog that no message waits, or that Celery waits for an unavailable broker."""
        if self._waiting is None or self._signs is None:
            return
        try:
            if await asyncio.to_thread(self._waiting) == 0:
                self._signs.message = time.monotonic()
        except LedgerUnavailableError as error:
            log_event(log_events.BROKER_LOST, error=error)
            self._signs.reconnect_at(time.monotonic())
