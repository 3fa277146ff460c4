"""A batch as server-sent events, which go on where they broke off: see `event_log`."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from producers.event_log import EventLog
from producers.http.answers import refusals
from producers.http.door import Door
from producers.http.problem import Kind, ProblemError
from producers.http.request import Reader, bearer, door_of
from provisioning.errors import LedgerUnavailableError, NotFoundError

router = APIRouter(tags=["Look"])

LOOK_EVERY = 0.5
"""Seconds between looks at a batch that somebody follows."""

BEAT_EVERY = 15.0
"""Seconds without news after which a comment is sent, so that no proxy takes the stream for dead."""

_ID = re.compile(r"[0-9]{1,19}-[0-9]{1,10}")


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
    Follow a batch as server-sent events. The stream ends when its token is revoked.

    Names: batch.progressed, batch.settled, batch.paused, batch.braked, batch.stopped, batch.released.
    """
    door = door_of(request)
    log = EventLog(door.ledger, await door.ledger.view.batch_id(batch))
    last = request.headers.get("last-event-id")
    if last is not None and not _ID.fullmatch(last):
        raise ProblemError(Kind.BAD_REQUEST, "this is not the id of an event")
    status = await log.look()
    if last is None:
        last = await log.latest()
    elif status.settled and not await log.after(last):
        return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _stream(door, log, last, bearer(request)), media_type="text/event-stream", headers=headers
    )


async def _stream(door: Door, log: EventLog, last: str, token: str) -> AsyncIterator[str]:
    silent = 0.0
    while not door.closing.is_set():
        settled = False
        try:
            if await door.tokens.holder(token) is None:
                return
            settled = (await log.look()).settled
            news = await log.after(last)
        except NotFoundError:
            return
        except LedgerUnavailableError:
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
