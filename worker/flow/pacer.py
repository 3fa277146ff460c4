"""The pace of one credential: sending times that are reserved in Redis, where all workers share it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from provisioning.errors import LedgerUnavailableError
from provisioning.observability.log_events import LEDGER_LOST, PERIODIC_TASK_FAILED
from provisioning.observability.logs import log_event
from provisioning.pace import Rate, Tokens

UNPACED_FOR = 1.0
"""Seconds for which "no pace is set" is cached: a new pace may take so long to apply."""

STALE = 0.1
"""Seconds after its time at which a reserved token is dropped, so that no burst follows a stall."""


class Pacer:
    """
    Reserves tokens; each is a time at which one POST may start.

    Args:
        reserve: reserves tokens in Redis (`transitions.take`).
        rate: the pace until Redis has another.
        on_fetched: called when a reservation has ended, with or without tokens.

    Attributes:
        per_second: the pace; None for none.
        learned: the pace was learned from 429s.
    """

    def __init__(
        self,
        reserve: Callable[[], Awaitable[Tokens]],
        *,
        rate: Rate,
        on_fetched: Callable[[], None],
    ) -> None:
        self.per_second = rate.per_second
        self.learned = False
        self._reserve = reserve
        self._on_fetched = on_fetched
        self._loop = asyncio.get_running_loop()
        self._tokens: deque[float] = deque()  # loop times at which they become valid
        self._unpaced_until = 0.0
        self._fetching: asyncio.Task[None] | None = None

    def take(self, now: float) -> bool:
        """Takes a token valid at this loop time. Returns: whether there was one, or none is needed."""
        if now < self._unpaced_until:
            return True
        tokens = self._tokens
        while tokens and tokens[0] < now - STALE:
            tokens.popleft()
        if tokens and tokens[0] <= now:
            tokens.popleft()
            return True
        return False

    @property
    def next_at(self) -> float | None:
        """Loop time at which the next token becomes valid; None if none is reserved."""
        return self._tokens[0] if self._tokens else None

    def fetch(self) -> None:
        """Reserves tokens in the background, unless a reservation is in progress."""
        if self._fetching is None:
            self._fetching = self._loop.create_task(self._fetch())

    def begin_anew(self) -> None:
        """Drops the reserved tokens: the pace has changed."""
        self._tokens.clear()
        self._unpaced_until = 0.0

    async def _fetch(self) -> None:
        try:
            await self._use(await self._reserve())
        except LedgerUnavailableError as error:
            log_event(LEDGER_LOST, doing="pace", delay_s=0.5, error=error)
            await asyncio.sleep(0.5)
        except Exception as error:  # noqa: BLE001 - whatever it is, the queue continues
            log_event(PERIODIC_TASK_FAILED, doing="pace", exception=error)
            await asyncio.sleep(1.0)
        finally:
            self._fetching = None
        self._on_fetched()

    async def _use(self, tokens: Tokens) -> None:
        now = self._loop.time()
        self.learned = tokens.learned
        self.per_second = 1 / tokens.interval if tokens.interval else self.per_second
        if tokens.count is None:
            self.per_second = None
            self._unpaced_until = now + UNPACED_FOR
        elif tokens.count == 0:
            await asyncio.sleep(tokens.start)
        else:
            self._tokens.extend(now + tokens.start + i * tokens.interval for i in range(tokens.count))
