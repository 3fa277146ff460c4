"""Jobs whose outcome is unknown: by batch and cause, and one by one with what to look for."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from api.request import state_of
from console.web.pages.batches import causes_of
from console.web.pages.dead_letters import Cause, Cursor, count_of, jobs_of, with_jobs_in
from console.web.render import page
from console.web.route import pages
from console.web.visitor import Visiting, batch_of
from provisioning.causes import explained
from provisioning.ledger import Selection
from provisioning.ledger.bulk_acts import new_id
from provisioning.lifecycle import State

router = pages()


@router.get("/in-doubt")
async def in_doubt(request: Request, visitor: Visiting) -> Response:
    """Jobs in doubt of all batches, by batch and cause."""
    found = await with_jobs_in(request, visitor, State.IN_DOUBT)
    groups = [(status, causes_of(status, State.IN_DOUBT)) for status in found]
    return page(request, "in_doubt.html", visitor, groups=groups)


@router.get("/batches/{batch}/in-doubt")
async def of_batch(
    request: Request, visitor: Visiting, batch: str, cause: Cause = "", after: Cursor = ""
) -> Response:
    """The jobs in doubt of a batch, with what to look for at Jelou."""
    ledger = state_of(request).ledger
    found = await batch_of(request, visitor, batch)
    status, until = await asyncio.gather(ledger.queries.status(found), ledger.queries.now())
    jobs, more = await jobs_of(ledger, found, Selection(State.IN_DOUBT, cause, until=until), after)
    return page(
        request,
        "in_doubt_of_batch.html",
        visitor,
        batch=status,
        cause=cause,
        explained=explained(cause) if cause else None,
        count=count_of(status, State.IN_DOUBT, cause),
        until=until,
        bulk_act=new_id(),
        jobs=jobs,
        after=more,
    )
