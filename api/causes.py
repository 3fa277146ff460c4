"""The route that tells why jobs of a batch have no widget, by cause."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.answers import NOT_MODIFIED, json_answer, refusals
from api.conditional import REVALIDATE
from api.filters import CredentialName, Key, Reason, Since, Until
from api.models import CausesOfBatch
from api.openapi_headers import headers
from api.owned import batch_of
from api.problem import Kind
from api.request import Reader, state_of
from outcomes.causes import cause_json, causes_of
from provisioning.ledger import Selection
from provisioning.lifecycle import State

router = APIRouter(tags=["Look"])


@router.get(
    "/v1/batches/{batch}/causes",
    response_class=Response,
    responses={
        200: {"model": CausesOfBatch, "description": "The causes.", "headers": headers("ETag")},
        304: NOT_MODIFIED,
        **refusals(Kind.NOT_FOUND, Kind.BUSY),
    },
)
async def list_causes(
    request: Request,
    caller: Reader,
    batch: str,
    state: Annotated[Literal["dead", "in_doubt"], Query(description="State of the jobs.")] = "dead",
    reason: Reason = "",
    credential: CredentialName = "",
    key: Key = "",
    since: Since = None,
    until: Until = None,
) -> Response:
    """
    List the causes of dead jobs, or of jobs in doubt, the most frequent first, with what to do about each.

    Every selected job is looked at, which takes a second or two for 100,000. The counts by cause alone are in
    the status of the batch, at no cost.
    """
    app_state = state_of(request)
    found = await batch_of(request, caller, batch)
    wanted = Selection(State(state), reason, credential, key, since, until)
    async with app_state.counts.place(caller.id):
        status = await app_state.ledger.queries.status(found)
        causes = await causes_of(app_state.ledger, status, wanted) if status.states[State(state)] else []
    shown = {
        "batch": found,
        "name": status.name,
        "state": state,
        "causes": [cause_json(each, State(state)) for each in causes],
    }
    return json_answer(shown, headers={"Cache-Control": REVALIDATE})
