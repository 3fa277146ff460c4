"""A batch as server-sent events, with resumption: see `provisioning/ledger/events.py`."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.answers import refusals
from api.models import StreamEvent
from api.owned import batch_of
from api.problem import Kind, ProblemError
from api.request import Reader, bearer, state_of
from api.state import AppState
from provisioning.errors import LedgerUnavailableError, NotFoundError
from provisioning.ledger.events import Event
from provisioning.ledger.schema import Happened

router = APIRouter(tags=["Look"])

LOOK_EVERY = 1.0
"""Seconds between reads of the counts of a followed batch; its events are sent at once."""

BEAT_EVERY = 15.0
"""Seconds without an event after which a comment is sent, so that proxies keep the connection open."""

FOLLOWED = frozenset(happened for happened in Happened if happened.startswith("batch."))
"""Events that a client that follows a batch receives."""

_ID = re.compile(r"[0-9]{1,19}-[0-9]{1,10}")


# OpenAPI 3.1 does not say what a schema of a stream means: clients that read it to its end have a text, those
# that read on as it comes have an event at a time. 3.2 has `itemSchema` for that.
EVENTS = {
    "schema": {
        "anyOf": [
            {"type": "string", "contentMediaType": "text/event-stream"},
            {"$ref": f"#/components/schemas/{StreamEvent.__name__}"},
        ],
        "description": "The stream as a text, or each event of it. Lines that begin with `:` say nothing.",
    }
}


@router.get(
    "/v1/batches/{batch}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": (
                "A stream of events; each holds the whole batch. The stream ends when the batch has settled."
            ),
            "content": {"text/event-stream": EVENTS},
        },
        204: {"description": "The batch has settled and Last-Event-ID is its last event: nothing follows."},
        **refusals(Kind.NOT_FOUND, Kind.BAD_REQUEST),
    },
    openapi_extra={
        "parameters": [
            {
                "name": "Last-Event-ID",
                "in": "header",
                "required": False,
                "description": "Id of the last event received; the stream continues after it.",
                "schema": {"type": "string", "pattern": "^[0-9]{1,19}-[0-9]{1,10}$"},
            }
        ]
    },
)
async def follow(request: Request, caller: Reader, batch: str) -> Response:
    """
    Follow a batch as server-sent events. The stream ends when its token is revoked.

    Names: batch.progressed, batch.settled, batch.paused, batch.braked, batch.stopped, batch.released.
    """
    app_state = state_of(request)
    found = await batch_of(request, caller, batch)
    last = request.headers.get("last-event-id")
    if last is None:
        last = await app_state.ledger.events.last()
    elif not _ID.fullmatch(last):
        raise ProblemError(Kind.BAD_REQUEST, "Last-Event-ID is not the id of an event")
    elif (await app_state.ledger.queries.status(found)).settled and not await _news(app_state, found, last):
        return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _stream(app_state, found, last, bearer(request)), media_type="text/event-stream", headers=headers
    )


async def _news(app_state: AppState, batch: str, last: str) -> list[Event]:
    return [
        each for each in (await app_state.ledger.events.after(last, batch))[0] if each.happened in FOLLOWED
    ]


async def _stream(app_state: AppState, batch: str, last: str, token: str) -> AsyncIterator[str]:
    sent_status, sent_at = b"", time.monotonic()
    while not app_state.closing.is_set():
        try:
            if await app_state.tokens.holder(token) is None:
                return
            # Before the events: if the status is settled, its event is there already.
            status = await app_state.ledger.queries.status(batch)
            events, seen = await app_state.ledger.events.after(last, batch)
        except NotFoundError:
            return
        except LedgerUnavailableError:
            await _pause(app_state)  # Redis is unavailable
            continue
        now = msgspec.json.encode(status.public())
        news = [(each.id, str(each.happened)) for each in events if each.happened in FOLLOWED]
        if not news and now != sent_status:
            news = [(seen, "batch.settled" if status.settled else "batch.progressed")]
        last, sent_status = seen, now
        for id_, name in news:
            sent_at = time.monotonic()
            yield f"id: {id_}\nevent: {name}\ndata: {now.decode()}\n\n"
        if status.settled:
            return
        if time.monotonic() - sent_at >= BEAT_EVERY:
            sent_at = time.monotonic()
            yield ": still here\n\n"
        await app_state.event_waiters.wait(batch, LOOK_EVERY)


async def _pause(app_state: AppState) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(app_state.closing.wait(), LOOK_EVERY)
