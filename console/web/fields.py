"""Fields that forms of several pages have, and the way back from a form."""

from __future__ import annotations

import math
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.problem import Kind, ProblemError
from console.web.render import _N
from console.web.route import form_of
from console.web.visitor import Visitor, batch_of
from provisioning.ledger.tokens import Scope

LONGEST_REASON = 500
LONGEST_CAUSE = 200


async def form_on_batch(request: Request, visitor: Visitor, batch: str) -> tuple[dict[str, str], str]:
    """The form of an act on a batch, and the id of the batch. Raises: as `form_of`; NotFoundError."""
    form = await form_of(request, visitor, Scope.OPERATE)
    return form, await batch_of(request, visitor, batch)


def reason_of(form: dict[str, str]) -> str:
    """Why a person does this; empty if the form gives no reason."""
    return form.get("reason", "").strip()[:LONGEST_REASON]


def time_of(form: dict[str, str], name: str) -> float:
    """A time that the page has put into its form, Unix seconds. Raises: ProblemError."""
    try:
        at = float(form[name])
    except (KeyError, ValueError):
        at = math.nan
    if not 0 <= at < 1e11:
        raise ProblemError(Kind.INVALID, _N("The form is not complete: load its page again."))
    return at


def check_shared(visitor: Visitor) -> None:
    """Raises: ProblemError if this person may not change what all owners share."""
    if visitor.token.sees is not None:
        raise ProblemError(
            Kind.NO_SCOPE,
            _N("Credentials, addresses and their pace are shared by all owners: ask the operator."),
        )


def back_to(path: str, **done: str | int) -> Response:
    """The page to show after a form, with what was done."""
    return RedirectResponse(f"{path}?{urlencode(done)}" if done else path, 303)
