"""Waiting out a backoff: the delay that policy chose, then a place in the retry budget."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from worker.retry_budget import RetryBudget


class Patience:
    """The retries of one worker, let go as the budget allows, first come first served."""

    def __init__(self) -> None:
        self.budget = RetryBudget()
        self._queue: deque[asyncio.Future[None]] = deque()
        self._porter: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Retries that are due and wait for the budget."""
        return len(self._queue)

    async def wait(self, seconds: float) -> None:
        """Waits `seconds`, and then until the budget pays for a retry."""
        await asyncio.sleep(seconds)
        if not self._queue and self.budget.wait(time.monotonic()) == 0:
            return
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(ticket)
        if self._porter is None:
            self._porter = asyncio.create_task(self._let_go())
        await ticket

    async def _let_go(self) -> None:
        while self._queue:
            if self._queue[0].done():  # called off
                self._queue.popleft()
            elif (seconds := self.budget.wait(time.monotonic())) > 0:
                await asyncio.sleep(seconds)
            else:
                self._queue.popleft().set_result(None)
        self._porter = None
