"""Setting the pace of a credential, on all workers and across restarts."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api.problem import Kind, ProblemError
from api.request import state_of
from console.web.fields import back_to, check_shared
from console.web.render import _N
from console.web.route import form_of, pages
from console.web.visitor import Visiting
from provisioning.errors import ConfigurationError
from provisioning.ledger.tokens import Scope
from provisioning.pace import Rate

router = pages()


@router.post("/paces")
async def set_pace(request: Request, visitor: Visiting) -> Response:
    """Sets a pace; an empty one gives each worker its own setting back."""
    form = await form_of(request, visitor, Scope.OPERATE)
    check_shared(visitor)
    ledger = state_of(request).ledger
    credential, word = form.get("credential", ""), form.get("pace", "").strip()
    if credential not in await ledger.queries.credential_names():
        raise ProblemError(Kind.INVALID, _N("No worker knows this credential."))
    try:
        rate = Rate.parse(word) if word else None
    except ConfigurationError:
        text = _N("This is no pace: write it as 5/s, 300/m, 1000/h or unlimited.")
        raise ProblemError(Kind.INVALID, text) from None
    await ledger.operations.set_pace(credential, rate, actor=visitor.token.name)
    return back_to("/workers", done="pace")
