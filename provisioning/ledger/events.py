"""
Events of batches and single jobs, and actions of people, as one bounded stream in the ledger.

The scripts append to it in the same call as the change itself, so no event is missing, and none is written
without its change. Counts are not in it: progress is read from the batch.
"""

from __future__ import annotations

import time
from typing import Any

import msgspec
from redis.asyncio import Redis

from provisioning.ledger import keys
from provisioning.ledger.schema import Happened

PAGE = 1000
"""Entries read at a time."""

LONGEST_WAIT = 5.0
"""Longest wait in seconds: well below the timeout of a connection."""

BEGINNING = "0-0"
"""The id before all others."""


_KNOWN = frozenset(Happened)


class Event(msgspec.Struct, frozen=True):
    """
    One event.

    Attributes:
        id: in the stream; later ids are greater.
        happened: the kind; None for one of a newer version.
        batch: of the event; empty for an action on something else.
        job: number of a single job; None if it is not about one.
    """

    id: str
    happened: Happened | None
    batch: str
    job: int | None


def when(id_: str) -> str:
    """The time of an event, from its id: the first part is the time in ms."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(id_.partition("-")[0]) / 1000))


class Events:
    """The stream of one ledger."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    async def last(self) -> str:
        """Id of the newest event; `BEGINNING` if there is none."""
        newest = await self._redis.xrevrange(keys.EVENTS, count=1)
        return newest[0][0].decode() if newest else BEGINNING

    async def after(self, last: str, batch: str) -> tuple[list[Event], str]:
        """The events of a batch after an id, oldest first, and the id up to which all were read."""
        found: list[Event] = []
        while True:
            entries = await self._redis.xrange(keys.EVENTS, min=f"({last}", count=PAGE)
            found += [event for event in map(_event, entries) if event.batch == batch]
            if entries:
                last = entries[-1][0].decode()
            if len(entries) < PAGE:
                return found, last

    async def wait(self, last: str, seconds: float) -> list[Event]:
        """Waits for events after an id. Returns: some, oldest first; none if the time passed without any."""
        block = max(1, int(min(seconds, LONGEST_WAIT) * 1000))
        streams = await self._redis.xread({keys.EVENTS: last}, count=PAGE, block=block)
        return list(map(_event, _entries(streams)))


def _entries(streams: Any) -> Any:
    """The entries read from the stream, in either protocol of Redis."""
    if isinstance(streams, dict):
        return [entry for parts in streams.values() for entries in parts for entry in entries]
    return [entry for _, entries in streams or () for entry in entries]


def _event(entry: tuple[bytes, dict[bytes, bytes]]) -> Event:
    id_, fields = entry
    job = fields.get(b"job", b"")
    word = fields.get(b"event", b"").decode()
    return Event(
        id=id_.decode(),
        happened=Happened(word) if word in _KNOWN else None,
        batch=fields.get(b"batch", b"").decode(),
        job=int(job) if job else None,
    )
