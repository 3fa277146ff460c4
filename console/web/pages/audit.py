"""What people did: who, when, what, on what, why."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from api.request import state_of
from console.web.render import page
from console.web.route import pages
from console.web.visitor import Visiting, Visitor
from provisioning.errors import NotFoundError
from provisioning.ledger import Ledger
from provisioning.ledger.records import Act

router = pages()

SHOWN = 100
"""Acts on the page."""


@router.get("/audit")
async def audit(
    request: Request,
    visitor: Visiting,
    act: Annotated[str, Query(max_length=40)] = "",
    by: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The latest acts that this person may see."""
    ledger = state_of(request).ledger
    acts: list[Act] = []
    async for each in ledger.queries.audit():
        fits = act in ("", each.act) and by in ("", each.by)
        if fits and await _is_shown(ledger, visitor, each):
            acts.append(each)
        if len(acts) == SHOWN:
            break
    return page(request, "audit.html", visitor, acts=acts, act=act, by=by)


async def _is_shown(ledger: Ledger, visitor: Visitor, act: Act) -> bool:
    """Whether an act is on a thing of this person's, or on what all owners share."""
    kind, _, name = act.on.partition(":")
    if visitor.token.sees is None:
        return True
    if kind == "owner":
        return name == visitor.token.sees
    if kind not in ("batch", "job"):
        return kind not in ("token", "user")
    try:
        await ledger.queries.batch_id(name.rpartition(".")[0] if kind == "job" else name, visitor.token.sees)
    except NotFoundError:
        return False
    return True
