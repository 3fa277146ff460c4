"""Routes of bulk acts: ask for one, watch it, cancel it. A server carries it out in the background."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import Response

from api.answers import json_answer, refusals
from api.filters import CredentialName, Justification, Key, Reason, Since, Until
from api.models import BulkActList, BulkActState
from api.openapi_headers import headers
from api.owned import batch_of
from api.problem import Kind, ProblemError
from api.request import Operator, Reader, state_of
from provisioning.ledger import Ledger, Selection
from provisioning.ledger.bulk_acts import Asked, BulkAct, Verb, new_id
from provisioning.ledger.tokens import Token
from provisioning.lifecycle import State

router = APIRouter(tags=["Act"])

STATES = {Verb.REDRIVE: State.DEAD, Verb.CANCEL: None, Verb.RESOLVE: State.IN_DOUBT}
"""The state of the jobs that an act is for, unless another is asked for."""

_FOUND = {200: {"model": BulkActState, "description": "The act as it is now."}, **refusals(Kind.NOT_FOUND)}

_ASKED_FOR = {
    "description": "Recorded; a server carries it out. `Location` leads to it.",
    "model": BulkActState,
    "headers": headers("Location"),
}


@router.post(
    "/v1/batches/{batch}/bulk-acts",
    status_code=202,
    response_class=Response,
    responses={202: _ASKED_FOR, **refusals(Kind.NOT_FOUND)},
)
async def ask_for_bulk_act(
    request: Request,
    caller: Operator,
    batch: str,
    act: Annotated[
        Literal["redrive", "cancel", "resolve"],
        Query(
            description="`redrive` dead or cancelled jobs, `cancel` unsent ones, `resolve` those in doubt."
        ),
    ],
    state: Annotated[
        Literal["dead", "cancelled"] | None, Query(description="Of a redrive: which jobs; dead by default.")
    ] = None,
    found: Annotated[
        Literal["created", "absent"] | None,
        Query(description="Of `resolve`: whether the widgets of these jobs exist. Needs `because`."),
    ] = None,
    reason: Reason = "",
    credential: CredentialName = "",
    key: Key = "",
    since: Since = None,
    until: Until = None,
    justification: Justification = "",
    idempotency_key: Annotated[
        str, Header(max_length=255, description="Asking twice with the same key is one act.")
    ] = "",
) -> Response:
    """
    Redrive, cancel or resolve many jobs in the background.

    Jobs that reach the state after this request, or after `until`, are left out. A redrive without `because`
    skips jobs that may already have a widget, and counts them as `left`.
    """
    verb = Verb(act)
    _check_fields(verb, state, found, justification, others=any((reason, key, since, until)))
    ledger = state_of(request).ledger
    batch_id = await batch_of(request, caller, batch)
    wanted_state = State(state) if state else STATES[verb]
    now = await ledger.queries.now()
    ends = None if verb is Verb.CANCEL else min(now if until is None else until, now)
    wanted = Selection(wanted_state, reason, credential, key, since, ends)
    asked = Asked(
        id=_id_of(caller, idempotency_key),
        verb=verb,
        batch=batch_id,
        owner=await ledger.queries.owner(batch_id),
        actor=caller.name,
        wanted=wanted,
        expected=await expected(ledger, batch_id, wanted),
        asked_at=time.time(),
        justification=justification.strip(),
        created=found == "created",
    )
    recorded = await ask(request, asked)
    return json_answer(recorded.public(), 202, {"Location": f"/v1/bulk-acts/{recorded.asked.id}"})


def _check_fields(
    verb: Verb, state: str | None, found: str | None, justification: str, *, others: bool
) -> None:
    if state and verb is not Verb.REDRIVE:
        raise ProblemError(Kind.INVALID, "state: only a redrive takes it; nothing was done")
    if (found is None) == (verb is Verb.RESOLVE):
        raise ProblemError(Kind.INVALID, "found: act=resolve needs it, and nothing else takes it")
    if verb is Verb.RESOLVE and not justification.strip():
        raise ProblemError(Kind.INVALID, "because: resolving many jobs alike needs a reason")
    if verb is Verb.CANCEL and others:
        raise ProblemError(
            Kind.INVALID,
            "a cancel takes no reason, key, since or until; nothing was done",
            hint="it is for all unsent jobs of the batch, or for those of one credential",
        )


def _id_of(caller: Token, idempotency_key: str) -> str:
    """The id of a new act, or that of the act that this caller has asked for with this key."""
    if not idempotency_key:
        return new_id()
    digest = hashlib.sha256(f"{caller.owner}\n{caller.name}\n{idempotency_key}".encode()).digest()
    return base64.b32encode(digest)[:16].decode().lower()


async def ask(request: Request, asked: Asked) -> BulkAct:
    """Records an act, and has it begun at once."""
    app_state = state_of(request)
    recorded = await app_state.ledger.bulk_acts.ask(asked)
    app_state.bulk_acts.wake()
    return recorded


async def expected(ledger: Ledger, batch: str, wanted: Selection) -> int:
    """How many jobs a selection has now; from the counts of the batch, where these tell."""
    if wanted.state is None:  # of a cancel, whose jobs are all looked at
        return (await ledger.queries.status(batch)).accepted
    if wanted.credential or wanted.key or wanted.since or not wanted.by_time:
        return sum([len(stretch) async for stretch in ledger.queries.matching(batch, wanted)])
    status = await ledger.queries.status(batch)
    if wanted.reason:
        return status.causes.get(wanted.state, {}).get(wanted.reason, 0)
    return status.states[wanted.state]


@router.get(
    "/v1/bulk-acts",
    response_class=Response,
    responses={
        200: {"model": BulkActList, "description": "The latest acts, newest first."},
        **refusals(Kind.NOT_FOUND),
    },
)
async def list_bulk_acts(
    request: Request,
    caller: Reader,
    batch: Annotated[str, Query(max_length=200, description="Only of this batch, by id or name.")] = "",
    limit: Annotated[int, Query(ge=1, le=200, description="Maximum number of entries.")] = 50,
) -> Response:
    """List the latest bulk acts."""
    ledger = state_of(request).ledger
    of = await batch_of(request, caller, batch) if batch else ""
    found = await ledger.bulk_acts.latest(caller.sees, batch=of, most=limit)
    return json_answer({"bulk_acts": [each.public() for each in found]})


@router.get("/v1/bulk-acts/{bulk_act}", response_class=Response, responses=_FOUND)
async def get_bulk_act(request: Request, caller: Reader, bulk_act: str) -> Response:
    """Read a bulk act: its state, and its counts so far."""
    return json_answer((await state_of(request).ledger.bulk_acts.find(bulk_act, caller.sees)).public())


@router.post("/v1/bulk-acts/{bulk_act}/cancel", response_class=Response, responses=_FOUND)
async def cancel_bulk_act(request: Request, caller: Operator, bulk_act: str) -> Response:
    """
    Cancel a bulk act: no further job is changed. What it has changed stays.

    The state is `stopping` until a server has ended it; an act that has ended stays as it is.
    """
    acts = state_of(request).ledger.bulk_acts
    await acts.find(bulk_act, caller.sees)
    await acts.stop(bulk_act)
    state_of(request).bulk_acts.wake()
    return json_answer((await acts.find(bulk_act)).public())
