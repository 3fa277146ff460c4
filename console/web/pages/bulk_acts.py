"""Acts on many jobs: the latest ones, and one with its progress."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.request import state_of
from console.web.pages.reconciling import Preview
from console.web.render import page
from console.web.route import pages
from console.web.visitor import Visiting
from provisioning.ledger.schema import BulkState

router = pages()

SHOWN = 50


@router.get("/bulk-acts")
async def bulk_acts(request: Request, visitor: Visiting) -> Response:
    """The latest acts of this person's owner, the newest first."""
    acts = await state_of(request).ledger.bulk_acts.latest(visitor.token.sees, most=SHOWN)
    return page(request, "bulk_acts.html", visitor, acts=acts)


@router.get("/bulk-acts/{bulk_act}")
async def bulk_act(request: Request, visitor: Visiting, bulk_act: str) -> Response:
    """One act: what was asked for, how far it is, what came of it."""
    ledger = state_of(request).ledger
    act = await ledger.bulk_acts.find(bulk_act, visitor.token.sees)
    batch = await ledger.queries.status_or_none(act.asked.batch)
    preview = None
    if act.state is BulkState.DRAFT:
        preview = msgspec.json.decode(await ledger.bulk_acts.preview(bulk_act), type=Preview)
    return page(request, "bulk_act.html", visitor, act=act, batch=batch, preview=preview)
