"""
A batch as server-sent events, which go on where they broke off.

Whoever follows a batch looks at it twice a second; what has changed is noted in a stream of the ledger, whose
ids are those of the events. Two servers may note the same moment, each at most once: every event tells the
whole batch, so that hearing one twice changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from producers.http.answers import refusals
from producers.http.door import Door
from producers.http.problem import Kind, ProblemError
from producers.http.request import Reader, door_of
from provisioning import keys
from provisioning.errors import NotFoundError
from provisioning.ledger import LOST, BatchStatus

router = APIRouter(tags=["Look"])

LOOK_EVERY = 0.5
"""Seconds between looks at a batch that somebody follows."""

BEAT_EVERY = 15.0
"""Seconds without news after which a comment is sent, so that no proxy takes the stream for dead."""

KEPT = 1000
"""Events kept of a batch, which is more than anybody who was away needs."""

KEPT_FOR = 7 * 24 * 3600
"""Seconds after the last of them for which they are kept."""

_ID = re.compile(r"\d{1,19}-\d{1,10}")


EVENT = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "description": "What Last-Event-ID takes."},
        "event": {"type": "string", "examples": ["batch.settled"]},
        "data": {
            "type": "string",
            "description": "The whole batch as JSON, as GET /v1/batches/{batch} has it.",
        },
    },
}


class EventLog:
    """What followers of one batch were told."""

    def __init__(self, door: Door, batch: str) -> None:
        self._door = door
        self._redis: Any = door.ledger.redis
        self._batch = batch
        self._key = keys.events(batch)

    async def look(self) -> BatchStatus:
        """Notes how the batch stands, if that has changed. Raises: NotFoundError if it is gone."""
        status = await self._door.ledger.view.status(self._batch)
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
    if now["settled"] and not (before and before["settled"]):
        return "batch.settled"
    held = {hold["scope"]: hold["kind"] for hold in now["holds"]}
    was_held = {hold["scope"] for hold in before["holds"]} if before else set()
    new = [kind for scope, kind in held.items() if scope not in was_held]
    if new:
        return {"stop_loss": "batch.stopped", "brake": "batch.braked"}.get(new[0], "batch.paused")
    if was_held - held.keys():
        return "batch.released"
    return "batch.progressed"


@router.get(
    "/v1/batches/{batch}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Each event tells the whole batch; the stream ends when it has settled.",
            "content": {"text/event-stream": {"schema": EVENT}},
        },
        204: {"description": "It has settled, and you know: there is nothing to wait for."},
        **refusals(Kind.NOT_FOUND, Kind.BAD_REQUEST),
    },
    openapi_extra={
        "parameters": [
            {
                "name": "Last-Event-ID",
                "in": "header",
                "required": False,
                "description": "Id of the last event that was heard; those after it follow.",
                "schema": {"type": "string", "pattern": "^[0-9]{1,19}-[0-9]{1,10}$"},
            }
        ]
    },
)
async def follow(request: Request, caller: Reader, batch: str) -> Response:  # noqa: ARG001
    """
    Follow a batch as server-sent events.

    Names: batch.progressed, batch.settled, batch.paused, batch.braked, batch.stopped, batch.released.
    """
    door = door_of(request)
    log = EventLog(door, await door.ledger.view.batch_id(batch))
    last = request.headers.get("last-event-id")
    if last is not None and not _ID.fullmatch(last):
        raise ProblemError(Kind.BAD_REQUEST, "this is not the id of an event")
    status = await log.look()
    if last is None:
        last = await log.latest()
    elif status.settled and not await log.after(last):
        return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(door, log, last), media_type="text/event-stream", headers=headers)


async def _stream(door: Door, log: EventLog, last: str) -> AsyncIterator[str]:
    silent = 0.0
    while not door.closing.is_set():
        settled = False
        try:
            settled = (await log.look()).settled
            news = await log.after(last)
        except NotFoundError:
            return
        except LOST:
            news = []  # Redis is away: so is the news
        for last, name, data in news:
            silent = 0.0
            yield f"id: {last}\nevent: {name}\ndata: {data}\n\n"
        if settled:
            return
        if silent >= BEAT_EVERY:
            silent = 0.0
            yield ": still here\n\n"
        silent += LOOK_EVERY
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(door.closing.wait(), LOOK_EVERY)
