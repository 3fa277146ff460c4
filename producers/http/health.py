"""Whether the server lives, and whether it can take work. The only routes that need no token."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from producers.http.answers import json_answer, refusals
from producers.http.models import Health
from producers.http.problem import Kind
from producers.http.request import door_of

router = APIRouter(tags=["Health"])

_ONLY_LEDGER: dict[int | str, dict[str, Any]] = {
    status: said for status, said in refusals(Kind.FULL).items() if status in (500, 503)
}


@router.get(
    "/healthz",
    response_class=Response,
    responses={200: {"model": Health, "description": "The process answers."}},
)
async def healthz() -> Response:
    """Say whether the process lives. Redis is not asked: starting anew would not bring it back."""
    return json_answer({"status": "alive"})


@router.get(
    "/readyz",
    response_class=Response,
    responses={200: {"model": Health, "description": "Jobs are taken."}, **_ONLY_LEDGER},
)
async def readyz(request: Request) -> Response:
    """Say whether jobs are taken: Redis answers, keeps what it is given, and there is room."""
    door = door_of(request)
    await door.ledger.check()
    await door.fullness.check()
    return json_answer({"status": "ready"})
