"""Periodic tasks and background tasks, which run on the engine's loop besides the jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from provisioning.errors import LedgerUnavailableError
from provisioning.observability import log_events
from provisioning.observability.logs import log_event

TICK = 1.0
"""Seconds between checks for batches of which no notification arrived, and for lapsed leases."""


class PeriodicTasks:
    """Tasks that run until they are cancelled, by name."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def run(self, name: str, task: Coroutine[Any, Any, None]) -> None:
        """Starts a task that repeats without end."""
        self._tasks[name] = asyncio.create_task(task, name=name)

    def every(self, seconds: float, name: str, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Repeats a step, so many seconds after the last; a failure is logged, and the next step follows."""
        self.run(name, _repeat(name, seconds, step))

    def cancel(self, *names: str) -> None:
        """Cancels these tasks, or all if none is named."""
        for name in names or self._tasks:
            if name in self._tasks:
                self._tasks[name].cancel()


async def _repeat(doing: str, pause: float, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        try:
            await step()
        except LedgerUnavailableError as error:
            log_event(log_events.LEDGER_LOST, doing=doing, delay_s=pause, error=error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next round may succeed
            log_event(log_events.PERIODIC_TASK_FAILED, doing=doing, exception=error)
        await asyncio.sleep(pause)


class BackgroundTasks:
    """Tasks that run once and that no caller awaits; their failures are logged."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def run(self, task: Coroutine[Any, Any, Any]) -> None:
        """Starts a task. An unavailable ledger is no failure here: periodic tasks log it."""
        running = asyncio.get_running_loop().create_task(task)
        self._tasks.add(running)
        running.add_done_callback(self._end)

    def run_unless_lost(self, doing: str, task: Coroutine[Any, Any, None]) -> None:
        """Starts a task that something else repeats later; an unavailable ledger is logged."""
        self.run(_unless_lost(doing, task))

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, LedgerUnavailableError):
            log_event(log_events.PERIODIC_TASK_FAILED, doing="background task", exception=error)


async def _unless_lost(doing: str, task: Coroutine[Any, Any, None]) -> None:
    try:
        await task
    except LedgerUnavailableError as error:
        log_event(log_events.LEDGER_LOST, doing=doing, error=error)
