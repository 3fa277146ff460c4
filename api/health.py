"""Liveness and readiness of the server. The only routes that need no token."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.answers import json_answer, refusals
from api.models import Health
from api.problem import no_ledger
from api.request import state_of
from provisioning.errors import ContractError

router = APIRouter(tags=["Health"])

WITHIN = 3.0
"""Seconds in which the ledger must answer to be ready; a probe waits no longer."""

_ONLY_LEDGER: dict[int | str, dict[str, Any]] = {
    status: text for status, text in refusals().items() if status in (500, 503)
}


@router.get(
    "/healthz",
    response_class=Response,
    responses={200: {"model": Health, "description": "The process is alive."}},
)
async def healthz() -> Response:
    """Liveness: the process answers. Redis is not checked, because a restart would not repair it."""
    return json_answer({"status": "alive"})


@router.get(
    "/readyz",
    response_class=Response,
    responses={200: {"model": Health, "description": "The ledger is available."}, **_ONLY_LEDGER},
)
async def readyz(request: Request) -> Response:
    """
    Readiness: the ledger answers and accepts writes.

    A full backlog does not make the server unready: jobs can still be read, cancelled and followed.
    """
    app_state = state_of(request)
    try:
        async with asyncio.timeout(WITHIN):
            await app_state.ledger.check()
    except (ContractError, TimeoutError):
        raise no_ledger() from None
    if not app_state.fit.is_set():
        raise no_ledger()
    return json_answer({"status": "ready"})
