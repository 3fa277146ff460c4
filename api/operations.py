"""Routes that change something: pause, resume, cancel, redrive, resolve."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.answers import json_answer, refusals
from api.filters import CredentialName, Justification, Key, Reason, Since, Until
from api.models import Changed, Done, Resolved
from api.owned import batch_of, check_job
from api.problem import Kind, ProblemError
from api.request import Operator, read_body, state_of
from api.small_json import check_unique_names
from provisioning import scopes
from provisioning.attempt import Result
from provisioning.ledger import Selection
from provisioning.lifecycle import State

router = APIRouter(tags=["Act"])

_DONE = {200: {"model": Changed, "description": "Done."}, **refusals(Kind.NOT_FOUND)}


@router.post("/v1/batches/{batch}/pause", response_class=Response, responses=_DONE)
async def pause(
    request: Request, caller: Operator, batch: str, justification: Justification = ""
) -> Response:
    """Pause sending for a batch."""
    ledger = state_of(request).ledger
    found = await batch_of(request, caller, batch)
    justification = justification.strip() or f"paused by {caller.name}"
    new = await ledger.operations.hold(scopes.of_batch(found), actor=caller.name, justification=justification)
    return json_answer({"batch": found, "done": Done.PAUSED if new else Done.HELD_ALREADY})


@router.post("/v1/batches/{batch}/resume", response_class=Response, responses=_DONE)
async def resume(
    request: Request, caller: Operator, batch: str, justification: Justification = ""
) -> Response:
    """Resume sending after a pause, a stop-loss or the first few jobs."""
    ledger = state_of(request).ledger
    found = await batch_of(request, caller, batch)
    words = {"not_held": Done.NOT_HELD, "released": Done.GOES_ON, "probe": Done.PROBE}
    came = await ledger.operations.release(
        scopes.of_batch(found), actor=caller.name, justification=justification.strip()
    )
    return json_answer({"batch": found, "done": words[came]})


@router.post("/v1/batches/{batch}/cancel", response_class=Response, responses=_DONE)
async def cancel(
    request: Request, caller: Operator, batch: str, justification: Justification = ""
) -> Response:
    """Cancel all unsent jobs of a batch."""
    ledger = state_of(request).ledger
    found = await batch_of(request, caller, batch)
    count = await ledger.operations.cancel(found, caller.name, justification=justification.strip())
    return json_answer({"batch": found, "done": Done.CANCELLED, "jobs": count})


@router.post("/v1/batches/{batch}/redrive", response_class=Response, responses=_DONE)
async def redrive(
    request: Request,
    caller: Operator,
    batch: str,
    state: Annotated[Literal["dead", "cancelled"], Query(description="Only jobs in this state.")] = "dead",
    reason: Reason = "",
    credential: CredentialName = "",
    key: Key = "",
    since: Since = None,
    until: Until = None,
    dry_run: Annotated[bool, Query(description="Count the jobs, and change nothing.")] = False,
    justification: Annotated[
        str,
        Query(
            alias="because",
            min_length=1,
            max_length=500,
            description="Reason for accepting a second widget; without it, risky jobs are not queued.",
        ),
    ] = "",
) -> Response:
    """
    Queue dead or cancelled jobs again, with new attempts; their history is kept.

    Jobs that may already have a widget are not queued and are counted as `left`, unless `because` gives the
    reason for accepting a second one. The reason is recorded.
    """
    app_state = state_of(request)
    found = await batch_of(request, caller, batch)
    wanted = Selection(State(state), reason, credential, key, since, until)
    if dry_run:
        risks = [
            match.risky
            async for stretch in app_state.ledger.queries.matching(found, wanted)
            for match in stretch
        ]
        return json_answer({"batch": found, "done": Done.NOTHING, "jobs": len(risks), "risky": sum(risks)})
    came = await app_state.ledger.operations.redrive(
        found, wanted, caller.name, justification=justification.strip()
    )
    app_state.notifier.notify(found)
    return json_answer(
        {
            "batch": found,
            "done": Done.QUEUED_AGAIN,
            "jobs": came.queued,
            "risky": came.risky,
            "left": came.left,
        }
    )


class Resolution(msgspec.Struct, forbid_unknown_fields=True):
    """What a person has found out about a job in doubt."""

    found: Literal["created", "absent"]
    widget_id: str = ""


_decode = msgspec.json.Decoder(Resolution).decode

_RESOLUTION = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["found"],
            "properties": {
                "found": {"enum": ["created", "absent"]},
                "widget_id": {"type": "string", "maxLength": 200},
            },
            "additionalProperties": False,
        },
        "examples": {
            "created": {"value": {"found": "created", "widget_id": "4711"}},
            "absent": {"value": {"found": "absent"}},
        },
    }
}


@router.post(
    "/v1/jobs/{job}/resolve",
    response_class=Response,
    responses={
        200: {"model": Resolved, "description": "Settled."},
        **refusals(Kind.NOT_FOUND, Kind.NOT_IN_DOUBT, Kind.TOO_LARGE, Kind.WRONG_TYPE),
    },
    openapi_extra={"requestBody": {"required": True, "content": _RESOLUTION}},
)
async def resolve(request: Request, caller: Operator, job: str) -> Response:
    """Resolve a job in doubt: its widget exists (`created`) or not (`absent`)."""
    app_state = state_of(request)
    body = await read_body(request)
    check_unique_names(body)
    try:
        resolution = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ProblemError(
            Kind.INVALID, "the body must be a resolution", hint='{"found": "created"} or {"found": "absent"}'
        ) from None
    if resolution.found == "absent" and resolution.widget_id:
        raise ProblemError(Kind.INVALID, "found=absent takes no widget_id; nothing was changed")
    if len(resolution.widget_id) > 200:
        raise ProblemError(Kind.INVALID, "widget_id may have at most 200 characters")
    batch, number = await check_job(request, caller, job)
    settled = await app_state.ledger.operations.resolve(
        batch,
        number,
        created=resolution.found == "created",
        actor=caller.name,
        result=Result(widget_id=resolution.widget_id) if resolution.widget_id else None,
    )
    if not settled:
        raise ProblemError(Kind.NOT_IN_DOUBT, "the job is not in doubt; nothing was changed")
    app_state.notifier.notify(batch)
    return json_answer({"job": job, "state": "succeeded" if resolution.found == "created" else "queued"})
