"""
What has happened to batches, single jobs and by people's hands, as one bounded stream in the ledger.

The scripts append to it in the same call as the change itself, so an event is never missing and never told of
something that did not come to be. Counts are not in it: whoever shows progress reads the batch.
"""

from __future__ import annotations

from typing import Any

import msgspec
from redis.asyncio import Redis

from provisioning import keys
from provisioning.ledger.schema import Happened

PAGE = 1000
"""Entries read at a time."""

LONGEST_WAIT = 5.0
"""Seconds that one wait lasts at most: well below the time-out of a connection."""

BEGINNING = "0-0"
"""The id before all others."""


class Event(msgspec.Struct, frozen=True):
    """
    Something that has happened.

    Attributes:
        id: as the stream has it; what comes later is greater.
        batch: it happened to; empty for an act on something else.
        job: number of a single job; None if it is not about one.
    """

    id: str
    happened: Happened
    batch: str
    job: int | None


class Events:
    """The stream of one ledger."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    async def last(self) -> str:
        """Id of the newest event; `BEGINNING` if there is none."""
        newest = await self._redis.xrevrange(keys.EVENTS, count=1)
        return newest[0][0].decode() if newest else BEGINNING

    async def after(self, last: str, batch: str) -> tuple[list[Event], str]:
        """The events of a batch after an id, oldest first, and the id up to which all were looked at."""
        found: list[Event] = []
        while True:
            entries = await self._redis.xrange(keys.EVENTS, min=f"({last}", count=PAGE)
            events = [_event(*entry) for entry in entries]
            found += [event for event in events if event.batch == batch]
            if events:
                last = events[-1].id
            if len(entries) < PAGE:
                return found, last

    async def wait(self, last: str, seconds: float) -> list[Event]:
        """Waits for events after an id. Returns: some, oldest first; none if the time passed without any."""
        block = max(1, int(min(seconds, LONGEST_WAIT) * 1000))
        streams = await self._redis.xread({keys.EVENTS: last}, count=PAGE, block=block)
        return [_event(*entry) for _, entries in _pairs(streams) for entry in entries]


def _pairs(streams: Any) -> Any:
    """What was read by stream, as either protocol of Redis has it."""
    return streams.items() if isinstance(streams, dict) else streams or ()


def _event(id_: bytes, fields: dict[bytes, bytes]) -> Event:
    job = fields.get(b"job", b"")
    return Event(
        id=id_.decode(),
        happened=Happened(fields[b"event"].decode()),
        batch=fields.get(b"batch", b"").decode(),
        job=int(job) if job else None,
    )
