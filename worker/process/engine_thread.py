"""The engine's thread: its own loop besides Celery's, and calls into it from Celery's threads."""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar

from provisioning.ledger import WorkerSign
from worker.dispatch.engine import Engine

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """
    Polls once more before it returns that nothing is ready.

    A process that is stopped while it waits, and continues after the timeout, gets no ready socket, and its
    timers would discard answers that have already arrived.
    """

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        come = super().select(timeout)
        waited = timeout is None or timeout > 0
        return super().select(0) if waited and not come else come


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop that handles ready sockets before expired timers."""
    return asyncio.SelectorEventLoop(_Selector())


class EngineThread:
    """An engine on a loop of its own, fed from the threads in which Celery runs its tasks."""

    def __init__(self, build: Callable[[], Engine]) -> None:
        self._build = build
        self._loop = new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine", daemon=True)
        self._engine: Engine | None = None

    def start(self) -> Self:
        """Starts the loop and the engine in it."""
        self._thread.start()
        self._do(self._start())
        return self

    async def _start(self) -> None:
        self._engine = self._build()
        await self._engine.start()

    def drain(self, batch: str) -> int:
        """As `Engine.drain`, from any thread."""
        return self._do(self._running.drain(batch))

    def state(self) -> WorkerSign:
        """As `Engine.state`; does not wait for the loop."""
        return self._running.state()

    def stop(self) -> None:
        """As `Engine.stop`, from any thread; the loop ends with it."""
        self._do(self._running.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @property
    def _running(self) -> Engine:
        if self._engine is None:
            raise RuntimeError("the engine has not been started")
        return self._engine

    def _do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
