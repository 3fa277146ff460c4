"""Workers, and what limits sending: pace, learned rate, concurrency, outages, holds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from api.request import state_of
from console.web.pages.batches import limits_now
from console.web.render import page
from console.web.route import pages
from console.web.shared_reads import shared
from console.web.visitor import Visiting
from provisioning import scopes
from provisioning.ledger import Hold, WorkerSign
from provisioning.ledger.limits import differing_settings
from provisioning.pace import Rate

router = pages()


@router.get("/workers")
async def workers(request: Request, visitor: Visiting) -> Response:
    """The workers that are alive, and what limits them."""
    queries = state_of(request).ledger.queries
    found, paces, holds, memory, names, limits = await asyncio.gather(
        shared(request, queries.workers),
        shared(request, queries.paces),
        shared(request, queries.holds),
        shared(request, queries.memory_share),
        shared(request, queries.credential_names),
        shared(request, limits_now, queries),
    )
    return page(
        request,
        "workers.html",
        visitor,
        workers=sorted(found, key=lambda sign: sign.name),
        limits=limits,
        credentials=[_credential(name, paces, holds, found) for name in sorted(names)],
        holds=[hold for hold in holds if not hold.scope.startswith("batch:")],
        memory=memory,
        differing=differing_settings(found),
    )


@dataclass(frozen=True, slots=True)
class CredentialLine:
    """
    A credential on the page.

    Attributes:
        pace: set by a person; empty if none is.
        usual: what workers have as their setting; empty if they differ, or none is alive.
        learned: POSTs a second, learned from answers of 429; None if no rate is.
        held: whether it is paused, or its circuit breaker is open.
    """

    name: str
    pace: str
    usual: str
    learned: float | None
    held: bool


def _credential(
    name: str, paces: Mapping[str, str], holds: Sequence[Hold], workers: Sequence[WorkerSign]
) -> CredentialLine:
    usual = {sign.settings.get("rate", "") for sign in workers}
    learned = [sign.rates[name] for sign in workers if name in sign.rates]
    return CredentialLine(
        name,
        str(Rate.of_word(paces[name])) if name in paces else "",
        usual.pop() if len(usual) == 1 else "",
        min(learned, default=None),
        any(hold.scope == scopes.of_credential(name) for hold in holds),
    )
