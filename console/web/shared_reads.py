"""
What many browsers watch is read from the ledger once a second, however many they are.

A person's own request reads anew. An update of an open page (`LIVE`) may show what was read within the last
second, for whomever it was read: owners and scopes are checked by the pages, after reading.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from starlette.requests import Request

T = TypeVar("T")

LIVE: Final = "x-live"
"""Header of a request by which the script of a page updates it."""

FRESH: Final = 0.9
"""Seconds for which a reading is shared: less than between two updates of a page."""

MOST: Final = 200
"""Readings that are kept; beyond it those that are no longer fresh are dropped."""


class SharedReads:
    """Readings of the last second, and those under way."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._read: dict[tuple[object, ...], tuple[float, asyncio.Future[Any]]] = {}

    async def get(
        self, name: tuple[object, ...], read: Callable[[], Awaitable[T]], *, fresh: float = FRESH
    ) -> T:
        """
        A reading by its name: a recent one, or a new one, which others may share then.

        Args:
            fresh: seconds for which a reading counts as recent; 0 to read in any case.
        """
        now = self._clock()
        known = self._read.get(name)
        if known is None or now - known[0] >= fresh or _failed(known[1]):
            if len(self._read) >= MOST:
                self._read = {key: each for key, each in self._read.items() if now - each[0] < FRESH}
            known = (now, asyncio.ensure_future(_awaited(read)))
            self._read[name] = known
        # One browser that goes away must not end the reading of the others.
        value: T = await asyncio.shield(known[1])
        return value

    def drop_older_than(self, name: tuple[object, ...]) -> None:
        """Drops what was read before this reading, which has shown a change."""
        if name in self._read:
            at = self._read[name][0]
            self._read = {other: each for other, each in self._read.items() if each[0] >= at}


def _failed(reading: asyncio.Future[Any]) -> bool:
    return reading.done() and (reading.cancelled() or reading.exception() is not None)


async def _awaited(read: Callable[[], Awaitable[T]]) -> T:
    return await read()


def is_live(request: Request) -> bool:
    """Whether this is an update of an open page, not a request of a person."""
    return LIVE in request.headers


async def shared(request: Request, read: Callable[..., Awaitable[T]], *args: object) -> T:
    """What a function of the ledger reads with these arguments; for an update perhaps of the last second."""
    reads: SharedReads = request.app.state.shared_reads
    name = (getattr(read, "__qualname__", ""), *args)
    return await reads.get(name, lambda: read(*args), fresh=FRESH if is_live(request) else 0)
