"""
Tells open pages that what they show has changed, as server-sent events.

A page names its topic. The stream tells `changed`, `away` while Redis cannot be reached, and `ended` when the
session has ended; the script of the page then loads it again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.problem import Kind, ProblemError
from api.request import state_of
from console.web.live_sessions import LiveSessions
from console.web.pages.sending import draft_of
from console.web.render import _N
from console.web.route import pages
from console.web.shared_reads import SharedReads
from console.web.visitor import Visiting, Visitor, batch_of, shown_cookie
from provisioning.errors import NotFoundError, ProvisioningError
from provisioning.ledger import Ledger

router = pages()

EVERY: Final = 1.0
"""Seconds between two events of one stream, and between two looks at what a page shows."""

BEAT_EVERY: Final = 15
"""Looks without an event after which a comment is sent, so that proxies keep the connection open."""


@router.get("/live")
async def live(
    request: Request,
    visitor: Visiting,
    batch: Annotated[str, Query(max_length=200)] = "",
    bulk_act: Annotated[str, Query(max_length=40)] = "",
    draft: Annotated[str, Query(max_length=40)] = "",
    of: Literal["lists", "workers"] = "lists",
) -> Response:
    """A stream of what changes on a page: of one batch, of one bulk act, of the lists, of the workers."""
    sessions: LiveSessions = request.app.state.live_sessions
    if not sessions.has_room(shown_cookie(request)):
        raise ProblemError(Kind.BUSY, _N("Too many pages are open: close some of them."))
    if draft:
        await draft_of(request, visitor, draft)
        topic = Topic(f"draft:{draft}", "", lambda: _version_of_draft(state_of(request).ledger, draft))
    else:
        topic = await _topic(request, visitor, batch, bulk_act, of)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(request, topic), media_type="text/event-stream", headers=headers)


@dataclass(frozen=True, slots=True)
class Topic:
    """
    What a page shows.

    Attributes:
        batch: whose events are waited for; empty for those of all.
        version: reads a value that changes with what the page shows.
    """

    name: str
    batch: str
    version: Callable[[], Awaitable[object]]


async def _topic(request: Request, visitor: Visitor, batch: str, bulk_act: str, of: str) -> Topic:
    ledger = state_of(request).ledger
    if of == "workers":
        return Topic("workers", "", ledger.queries.workers)
    if bulk_act:
        act = await ledger.bulk_acts.find(bulk_act, visitor.token.sees)
        return Topic(f"bulk_act:{bulk_act}", act.asked.batch, lambda: ledger.bulk_acts.find(bulk_act))
    if batch:
        found = await batch_of(request, visitor, batch)
        return Topic(f"batch:{found}", found, lambda: _version_of_batch(ledger, found))
    return Topic("lists", "", ledger.queries.pulse)


async def _version_of_draft(ledger: Ledger, draft: str) -> object:
    return await ledger.drafts.find(draft, None), await ledger.drafts.findings(draft)


async def _version_of_batch(ledger: Ledger, batch: str) -> object:
    signs = await ledger.queries.workers()
    return await ledger.queries.status(batch), [(sign.name, sign.limit, sign.outage) for sign in signs]


async def _stream(request: Request, topic: Topic) -> AsyncIterator[str]:
    app_state = state_of(request)
    reads: SharedReads = request.app.state.shared_reads
    sessions: LiveSessions = request.app.state.live_sessions
    name = ("version", topic.name)
    last: object = None
    quiet, away = 0, False
    with sessions.watched(shown_cookie(request)) as session:
        yield "retry: 2000\n\n"
        while not app_state.closing.is_set():
            word = ""
            try:
                if not await sessions.is_alive(session):
                    yield _event("ended")
                    return
                version = await reads.get(name, topic.version, fresh=EVERY / 2)
                if last is not None and version != last:
                    reads.drop_older_than(name)
                    word = "changed"
                last, away = version, False
            except NotFoundError:
                yield _event("changed")
                return
            except ProvisioningError:
                word, away, last = "" if away else "away", True, ""
            quiet = 0 if word else quiet + 1
            if word:
                yield _event(word)
            elif quiet % BEAT_EVERY == 0:
                yield ": still here\n\n"
            # Events may come by the thousand.
            await asyncio.gather(
                app_state.event_waiters.wait(topic.batch, EVERY), _at_least(app_state.closing, EVERY / 2)
            )


def _event(word: str) -> str:
    return f"event: {word}\ndata:\n\n"


async def _at_least(closing: asyncio.Event, seconds: float) -> None:
    """Waits so long in any case: events may come by the thousand."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(closing.wait(), seconds)
