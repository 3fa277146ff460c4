"""All batches: what needs a person first, then what runs, then what has settled; and one batch."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.outcome_file import FILES, HAS_KEYS, outcome_file_of
from api.request import state_of
from console.web.chart import bars, rate_of, seconds_left
from console.web.render import page
from console.web.route import pages
from console.web.shared_reads import shared
from console.web.visitor import Visiting, Visitor, batch_of
from provisioning.causes import Explained, explained
from provisioning.errors import NotFoundError
from provisioning.ledger import BatchStatus, SendingLimit
from provisioning.ledger.bulk_acts import new_id
from provisioning.ledger.queries import Place, Queries
from provisioning.ledger.tokens import Scope
from provisioning.lifecycle import State

router = pages()

SHOWN = 50
"""Batches on a page."""


@router.get("/")
async def home(visitor: Visiting) -> Response:  # noqa: ARG001
    """The first page is that of the batches."""
    return RedirectResponse("/batches", 303)


@router.get("/batches")
async def batches(
    request: Request,
    visitor: Visiting,
    q: Annotated[str, Query(max_length=200)] = "",
    after: Annotated[str, Query(pattern="^([0-9]{1,15}\\.[a-z0-9-]{1,40})?$")] = "",
) -> Response:
    """The batches by what they need, the newest first; `q` is a batch, a job or a tenant's key."""
    queries = state_of(request).ledger.queries
    if q.strip():
        return await _found(request, visitor, q.strip())
    at, _, batch = after.partition(".")
    place: Place | None = (int(at), batch) if after else None
    statuses: list[BatchStatus] = []
    more = ""
    while len(statuses) < SHOWN:
        places = await shared(request, queries.places, place)
        found = await shared(request, queries.statuses, tuple(batch for _, batch in places))
        statuses += [each for each in found if visitor.token.sees in (None, each.owner)]
        if not places:
            break
        place = places[-1]
        more = f"{place[0]}.{place[1]}"
    else:
        return _listed(request, visitor, statuses, more)
    return _listed(request, visitor, statuses, "")


def _listed(request: Request, visitor: Visitor, statuses: list[BatchStatus], more: str) -> Response:
    waiting = [each for each in statuses if needs_a_person(each)]
    running = [each for each in statuses if not each.settled and each not in waiting]
    settled = [each for each in statuses if each.settled and each not in waiting]
    return page(
        request, "batches.html", visitor, waiting=waiting, running=running, settled=settled, more=more, q=""
    )


def needs_a_person(status: BatchStatus) -> bool:
    """Whether somebody has to decide something: jobs that are dead or in doubt, or a hold."""
    return bool(status.states[State.DEAD] or status.states[State.IN_DOUBT] or status.blocked or status.paused)


async def _found(request: Request, visitor: Visitor, wanted: str) -> Response:
    """Goes to the batch or the job that is called so, or lists the jobs of a tenant."""
    queries = state_of(request).ledger.queries
    try:
        return RedirectResponse(f"/batches/{await batch_of(request, visitor, wanted)}", 303)
    except NotFoundError:
        pass
    jobs = []
    async for job in queries.find(wanted, owner=visitor.token.sees):
        jobs.append(job)
        if len(jobs) == SHOWN:
            break
    if len(jobs) == 1:
        return RedirectResponse(f"/jobs/{jobs[0].job_id}", 303)
    return page(request, "found.html", visitor, jobs=jobs, q=wanted)


@dataclass(frozen=True, slots=True)
class CauseLine:
    """A cause with how many jobs ended for it."""

    state: State
    cause: str
    count: int
    explained: Explained


def causes_of(status: BatchStatus, state: State) -> list[CauseLine]:
    """The causes of a state of a batch, the most frequent first."""
    counts = status.causes.get(state, {})
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [CauseLine(state, cause, count, explained(cause)) for cause, count in ordered if count]


@router.get("/batches/{batch}")
async def batch(request: Request, visitor: Visiting, batch: str) -> Response:
    """One batch: the answer in a sentence, states, causes, holds, what limits sending, files."""
    ledger = state_of(request).ledger
    queries = ledger.queries
    found = await batch_of(request, visitor, batch)
    status, spans, workers, now = await asyncio.gather(
        shared(request, queries.status, found),
        shared(request, queries.history, found),
        shared(request, queries.workers),
        shared(request, queries.now),
    )
    rate = rate_of(spans, now)
    return page(
        request,
        "batch.html",
        visitor,
        batch=status,
        dead=causes_of(status, State.DEAD),
        in_doubt=causes_of(status, State.IN_DOUBT),
        bars=bars(spans),
        workers=workers,
        rate=rate,
        seconds_left=seconds_left(status, rate),
        limits=[] if status.settled else await shared(request, limits_now, queries),
        bulk_act=new_id(),
        until=now,
        acts=[act for act in await shared(request, ledger.bulk_acts.open_of, found) if not act.ended],
        files=[name for name in FILES if name != HAS_KEYS or visitor.may(Scope.KEYS)],
    )


async def limits_now(queries: Queries) -> list[SendingLimit]:
    """What limits sending now."""
    return await queries.limits(await queries.workers())


@router.get("/batches/{batch}/files/{file}")
async def outcome_file(request: Request, visitor: Visiting, batch: str, file: str) -> Response:
    """An outcome file, as `provision export` writes it."""
    found = await batch_of(request, visitor, batch)
    shown = file != HAS_KEYS or visitor.may(Scope.KEYS)
    answer = await outcome_file_of(state_of(request), found, file) if shown else None
    if answer is None:
        raise NotFoundError("there is no such file")
    return answer
