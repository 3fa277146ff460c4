"""
What a batch's followers are told, as a stream in the ledger.

Whoever follows a batch looks at it now and then; what has changed is noted, and the ids of the stream are
those of the events. Two servers may note the same moment, each at most once: every event tells the whole
batch, so that hearing one twice changes nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from provisioning import keys
from provisioning.ledger import BatchStatus, Ledger

KEPT = 1000
"""Events kept of a batch, which is more than anybody who was away needs."""

KEPT_FOR = 7 * 24 * 3600
"""Seconds after the last of them for which they are kept."""


class EventLog:
    """What followers of one batch were told."""

    def __init__(self, ledger: Ledger, batch: str) -> None:
        self._view = ledger.view
        self._redis: Any = ledger.redis
        self._batch = batch
        self._key = keys.events(batch)

    async def look(self) -> BatchStatus:
        """Notes how the batch stands, if that has changed. Raises: NotFoundError if it is gone."""
        status = await self._view.status(self._batch)
        last = await self._redis.xrevrange(self._key, count=1)
        before = msgspec.json.decode(last[0][1][b"data"]) if last else None
        now = status.public()
        if before == msgspec.json.decode(msgspec.json.encode(now)):
            return status
        pipeline = self._redis.pipeline(transaction=True)
        entry = {"event": event_name(before, now), "data": msgspec.json.encode(now)}
        pipeline.xadd(self._key, entry, maxlen=KEPT)
        pipeline.expire(self._key, KEPT_FOR)
        await pipeline.execute()
        return status

    async def after(self, last: str) -> list[tuple[str, str, str]]:
        """The events after one: id, name and JSON of each."""
        found = await self._redis.xrange(self._key, min=f"({last}", count=KEPT)
        return [(id_.decode(), entry[b"event"].decode(), entry[b"data"].decode()) for id_, entry in found]

    async def latest(self) -> str:
        """Id from which on the latest event comes next: a new follower needs no more than how it stands."""
        found = await self._redis.xrevrange(self._key, count=2)
        return found[1][0].decode() if len(found) > 1 else "0-0"


def event_name(before: dict[str, Any] | None, now: dict[str, Any]) -> str:
    """What to call the change from one look to the next."""
    # A batch that goes on growing may have been opened and have settled again between two looks.
    if now["settled"] and not (before and before["settled"] and before["settled_at"] == now["settled_at"]):
        return "batch.settled"
    held = {hold["scope"]: hold["kind"] for hold in now["holds"]}
    was_held = {hold["scope"] for hold in before["holds"]} if before else set()
    new = [kind for scope, kind in held.items() if scope not in was_held]
    if new:
        return {"stop_loss": "batch.stopped", "brake": "batch.braked"}.get(new[0], "batch.paused")
    if was_held - held.keys():
        return "batch.released"
    return "batch.progressed"
