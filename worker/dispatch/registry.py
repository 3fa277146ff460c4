"""A worker's signs of life: in the ledger, for other processes, and for its own watchdog."""

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
    How the process around an engine is supervised.

    Attributes:
        signs: what the watchdog reads; None where there is none.
        heartbeat: called once a second by the engine's loop, after its sign.
        waiting: asks the broker how many messages wait, where that is not the ledger's Redis. May block;
            called off the loop.
    """

    signs: Liveness | None = None
    heartbeat: Callable[[], None] = _no_heartbeat
    waiting: Callable[[], int] | None = None


UNSUPERVISED = Supervision()


class WorkerRegistry:
    """
    Shows that a worker is there.

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
        """Records that the worker leaves."""
        await worker_registry.sign_off(self._ledger, self._name)

    async def show_turns(self) -> None:
        """Shows the watchdog that this loop turns."""
        while self._signs:
            self._signs.engine = time.monotonic()
            self._heartbeat()
            await asyncio.sleep(TICK)

    @property
    def has_own_broker(self) -> bool:
        """Whether the broker is another server than the ledger's Redis."""
        return self._waiting is not None

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
