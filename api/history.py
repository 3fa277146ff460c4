"""The route that tells what became of a batch over time."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.answers import NOT_MODIFIED, json_answer, refusals
from api.conditional import REVALIDATE
from api.models import BatchHistory
from api.openapi_headers import headers
from api.owned import batch_of
from api.problem import Kind
from api.request import Reader, state_of

router = APIRouter(tags=["Look"])

DAY = 24 * 60
"""Minutes that a span may have, at most."""


@router.get(
    "/v1/batches/{batch}/history",
    response_class=Response,
    responses={
        200: {"model": BatchHistory, "description": "The spans of time.", "headers": headers("ETag")},
        304: NOT_MODIFIED,
        **refusals(Kind.NOT_FOUND),
    },
)
async def show_history(
    request: Request,
    caller: Reader,
    batch: str,
    minutes: Annotated[int, Query(ge=1, le=DAY, description="Length of a span.")] = 1,
) -> Response:
    """
    Show the results of a batch over time, oldest first; spans without events are left out.

    Counts older than a day are kept by the hour, and those older than a month by the day: such spans are
    longer.
    """
    found = await batch_of(request, caller, batch)
    spans = await state_of(request).ledger.queries.history(found, minutes=minutes)
    shown = {"batch": found, "spans": [msgspec.to_builtins(span) for span in spans]}
    return json_answer(shown, headers={"Cache-Control": REVALIDATE})
