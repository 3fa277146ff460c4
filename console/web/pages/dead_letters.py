"""Dead jobs by cause, with what to do; the jobs of one cause, and how many may make a second widget."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from api.request import state_of
from console.web.pages.batches import causes_of
from console.web.render import page
from console.web.route import pages
from console.web.visitor import Visiting, Visitor, batch_of
from provisioning.causes import explained
from provisioning.ledger import BatchStatus, Ledger, Selection
from provisioning.lifecycle import State

router = pages()

LOOKED_AT = 1000
"""Latest batches that the lists over all batches look at."""

ROWS = 50
"""Jobs on a page."""

Cause = Annotated[str, Query(max_length=200)]
Cursor = Annotated[str, Query(pattern="^([0-9]{1,15}(-[0-9]{1,15})?)?$")]


@router.get("/dead-letters")
async def dead_letters(request: Request, visitor: Visiting) -> Response:
    """Dead jobs of all batches, by batch and cause."""
    found = await with_jobs_in(state_of(request).ledger, visitor, State.DEAD)
    groups = [(status, causes_of(status, State.DEAD)) for status in found]
    return page(request, "dead_letters.html", visitor, groups=groups)


async def with_jobs_in(ledger: Ledger, visitor: Visitor, state: State) -> list[BatchStatus]:
    """The batches of this person that have jobs in a state, the newest first."""
    found: list[BatchStatus] = []
    place, looked = None, 0
    while looked < LOOKED_AT and (places := await ledger.queries.places(place)):
        place, looked = places[-1], looked + len(places)
        statuses = await asyncio.gather(*(ledger.queries.status_or_none(batch) for _, batch in places))
        found += [
            each
            for each in statuses
            if each and each.states[state] and visitor.token.sees in (None, each.owner)
        ]
    return found


@router.get("/batches/{batch}/dead-letters")
async def of_batch(
    request: Request, visitor: Visiting, batch: str, cause: Cause = "", after: Cursor = ""
) -> Response:
    """The dead jobs of a batch with one cause, and how many of them may have a widget."""
    queries = state_of(request).ledger.queries
    found = await batch_of(request, visitor, batch)
    # What dies from now on is not among what is confirmed: it can shrink, never grow.
    until = time.time()
    wanted = Selection(State.DEAD, cause, until=until)
    status, groups, rows = await asyncio.gather(
        queries.status(found),
        queries.causes(found, wanted),
        jobs_of(state_of(request).ledger, found, wanted, after),
    )
    risky = sum(group.risky for group in groups)
    return page(
        request,
        "dead_letters_of_batch.html",
        visitor,
        batch=status,
        cause=cause,
        explained=explained(cause) if cause else None,
        safe=sum(group.count for group in groups) - risky,
        risky=risky,
        until=until,
        jobs=rows[0],
        after=rows[1],
    )


async def jobs_of(ledger: Ledger, batch: str, wanted: Selection, after: str) -> tuple[list[object], str]:
    """A page of selected jobs, and where the next one begins; empty if it is the last."""
    jobs: list[object] = []
    async for found in ledger.queries.pages(batch, wanted, after=after):
        some = found.jobs[: ROWS - len(jobs)]
        jobs += some
        if len(jobs) == ROWS:
            return jobs, wanted.place(some[-1]) if len(some) < len(found.jobs) else found.end
    return jobs, ""
