"""The route that tells which workers are alive, and what limits sending."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.answers import NOT_MODIFIED, json_answer, refusals
from api.conditional import REVALIDATE
from api.credentials import pace_json
from api.models import Sending
from api.openapi_headers import headers
from api.request import Reader, state_of
from provisioning.ledger import Ledger
from provisioning.ledger.limits import differing_settings

router = APIRouter(tags=["Look"])


@router.get(
    "/v1/workers",
    response_class=Response,
    responses={
        200: {"model": Sending, "description": "Workers and limits.", "headers": headers("ETag")},
        304: NOT_MODIFIED,
        **refusals(),
    },
)
async def show_workers(request: Request, caller: Reader) -> Response:  # noqa: ARG001 - all owners share them
    """
    Show the workers that are alive, and what limits sending: paces, learned rates, outages, holds, and so on.

    Workers are shared by all owners. Holds of a batch are in its status.
    """
    shown = await sending_json(state_of(request).ledger)
    return json_answer(shown, headers={"Cache-Control": REVALIDATE})


async def sending_json(ledger: Ledger) -> dict[str, Any]:
    """Workers, limits, paces, learned rates, and the holds that are not of one batch, for programs."""
    queries = ledger.queries
    workers, paces, learned, holds, memory = await asyncio.gather(
        queries.workers(),
        queries.paces(),
        queries.learned_rates(),
        queries.holds(),
        queries.memory_share(),
    )
    workers.sort(key=lambda each: each.name)
    return {
        "workers": [msgspec.to_builtins(each) for each in workers],
        "differing_settings": differing_settings(workers),
        "limits": [msgspec.to_builtins(each) for each in await queries.limits(workers)],
        "paces": [pace_json(name, word, workers) for name, word in sorted(paces.items())],
        "learned_rates": [
            {"credential": name, "per_second": round(each.rate, 2), "since": round(each.since, 3)}
            for name, each in sorted(learned.items())
            if each.in_force
        ],
        "holds": [msgspec.to_builtins(each) for each in holds if not each.scope.startswith("batch:")],
        "memory_share": round(memory, 4) or None,
    }
