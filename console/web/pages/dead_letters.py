"""Dead jobs by cause, with what to do; the jobs of one cause, and how many may make a second widget."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from api.request import state_of
from console.web.pages.batches import causes_of
from console.web.render import page
from console.web.route import pages
from console.web.shared_reads import shared
from console.web.visitor import Visiting, Visitor, batch_of
from provisioning.causes import explained
from provisioning.ledger import BatchStatus, Ledger, Selection
from provisioning.ledger.bulk_acts import new_id
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
    found = await with_jobs_in(request, visitor, State.DEAD)
    groups = [(status, causes_of(status, State.DEAD)) for status in found]
    return page(request, "dead_letters.html", visitor, groups=groups)


async def with_jobs_in(request: Request, visitor: Visitor, state: State) -> list[BatchStatus]:
    """The batches of this person that have jobs in a state, the newest first."""
    queries = state_of(request).ledger.queries
    found: list[BatchStatus] = []
    place, looked = None, 0
    while looked < LOOKED_AT and (places := await shared(request, queries.places, place)):
        place, looked = places[-1], looked + len(places)
        statuses = await shared(request, queries.statuses, tuple(batch for _, batch in places))
        found += [
            each for each in statuses if each.states[state] and visitor.token.sees in (None, each.owner)
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
    status, until = await asyncio.gather(queries.status(found), queries.now())
    wanted = Selection(State.DEAD, cause, until=until)
    risk, (jobs, more) = await asyncio.gather(
        queries.risk(found, cause), jobs_of(state_of(request).ledger, found, wanted, after)
    )
    return page(
        request,
        "dead_letters_of_batch.html",
        visitor,
        batch=status,
        cause=cause,
        explained=explained(cause) if cause else None,
        count=count_of(status, State.DEAD, cause),
        risk=risk,
        until=until,
        bulk_act=new_id(),
        jobs=jobs,
        after=more,
    )


def count_of(status: BatchStatus, state: State, cause: str) -> int:
    """Jobs in a state, of one cause if there is one, from the counts of the batch."""
    return status.causes.get(state, {}).get(cause, 0) if cause else status.states[state]


async def jobs_of(ledger: Ledger, batch: str, wanted: Selection, after: str) -> tuple[list[object], str]:
    """A page of selected jobs, and where the next one begins; empty if it is the last."""
    jobs: list[object] = []
    async for found in ledger.queries.pages(batch, wanted, after=after):
        some = found.jobs[: ROWS - len(jobs)]
        jobs += some
        if len(jobs) == ROWS:
            return jobs, wanted.place(some[-1]) if len(some) < len(found.jobs) else found.end
    return jobs, ""
