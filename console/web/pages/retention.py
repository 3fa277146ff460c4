"""What is deleted after its retention: the settings, and what would be deleted now."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from api.problem import Kind, ProblemError
from api.request import state_of
from console.web.fields import check_shared
from console.web.render import _N, page
from console.web.route import pages
from console.web.visitor import Visiting
from provisioning.ledger.reaper import Reaper
from provisioning.retention import Kept

router = pages()

PATIENCE = 20.0
"""Seconds for which a count may take: a million jobs take some."""


@router.get("/retention")
async def retention(
    request: Request, visitor: Visiting, count: Annotated[str, Query(pattern="^1?$")] = ""
) -> Response:
    """How long everything is kept; with `count`, what `provision purge` would delete now."""
    check_shared(visitor)
    app_state = state_of(request)
    days = app_state.settings.retention_days
    counts: dict[Kept, int] | None = None
    if count:
        counts = dict.fromkeys(Kept, 0)
        reaper = Reaper(app_state.ledger, days)
        try:
            async with asyncio.timeout(PATIENCE):
                plan = await reaper.plan(await app_state.ledger.queries.now())
        except TimeoutError:
            text = _N("Counting takes too long here: run provision purge --dry-run on the server.")
            raise ProblemError(Kind.BUSY, text) from None
        for _, kept, jobs in plan:
            counts[kept] += jobs
    return page(request, "retention.html", visitor, retention=days, kinds=list(Kept), counts=counts)
