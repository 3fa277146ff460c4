"""
The sessions of open pages, looked up together once a second.

A page that updates itself is no request of its person: it does not prolong the session, and costs no lookup
of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from provisioning.ledger.sessions import Session, Sessions

LOOK_EVERY: Final = 0.9
"""Seconds for which a look counts: an ended session ends its pages within a second or two."""


MOST_OF_ONE: Final = 30
"""Open pages of one session that are kept up to date."""


class LiveSessions:
    """The sessions of the pages that are open on one server."""

    def __init__(self, sessions: Sessions, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions = sessions
        self._clock = clock
        self._open: Counter[str] = Counter()
        self._known: dict[str, Session] = {}
        self._looked = float("-inf")
        self._lock = asyncio.Lock()

    def has_room(self, shown: str) -> bool:
        """Whether one more page of a session is kept up to date."""
        return self._open.get(shown, 0) < MOST_OF_ONE

    @contextmanager
    def watched(self, shown: str) -> Iterator[str]:
        """Counts an open page of the session with this cookie, as long as the block runs."""
        if shown not in self._known:
            self._looked = float("-inf")
        self._open[shown] += 1
        try:
            yield shown
        finally:
            self._open[shown] -= 1
            if not self._open[shown]:
                del self._open[shown]
                self._known.pop(shown, None)

    async def is_alive(self, shown: str) -> bool:
        """Whether the session of an open page has not ended."""
        return await self.find(shown) is not None

    async def find(self, shown: str) -> Session | None:
        """The session of an open page; None if it has ended, or no page of it is open."""
        if shown not in self._open:
            return None
        async with self._lock:
            if self._clock() - self._looked >= LOOK_EVERY:
                self._known = await self._sessions.find_all(list(self._open))
                self._looked = self._clock()
        return self._known.get(shown)
