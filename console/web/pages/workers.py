"""Workers, and what limits sending: pace, learned rate, concurrency, outages, holds."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from api.request import state_of
from console.web.render import page
from console.web.route import pages
from console.web.visitor import Visiting

router = pages()


@router.get("/workers")
async def workers(request: Request, visitor: Visiting) -> Response:
    """The workers that are alive, and what limits them."""
    queries = state_of(request).ledger.queries
    found, paces, holds, memory = await asyncio.gather(
        queries.workers(), queries.paces(), queries.holds(), queries.memory_share()
    )
    differing = {
        name
        for sign in found
        for name, value in sign.settings.items()
        if any(other.settings.get(name, value) != value for other in found)
    }
    return page(
        request,
        "workers.html",
        visitor,
        workers=sorted(found, key=lambda sign: sign.name),
        limits=await queries.limits(found),
        paces=paces,
        holds=[hold for hold in holds if not hold.scope.startswith("batch:")],
        memory=memory,
        differing=sorted(differing),
    )
