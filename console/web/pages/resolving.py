"""Settling one job in doubt."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api.owned import check_job
from api.problem import Kind, ProblemError
from api.request import state_of
from console.web.fields import back_to
from console.web.render import _N
from console.web.route import form_of, pages
from console.web.visitor import Visiting
from provisioning.attempt import Result
from provisioning.ledger.tokens import Scope

router = pages()

LONGEST_ID, LONGEST_KEY = 200, 1000


@router.post("/jobs/{job}/resolve")
async def resolve(request: Request, visitor: Visiting, job: str) -> Response:
    """Settles a job in doubt as the person has found."""
    form = await form_of(request, visitor, Scope.OPERATE)
    app_state = state_of(request)
    batch, number = await check_job(request, visitor.token, job)
    found = form.get("found")
    if found not in ("created", "absent"):
        raise ProblemError(Kind.INVALID, _N("Choose whether the widget exists."))
    widget_id = form.get("widget_id", "").strip()[:LONGEST_ID]
    widget_key = form.get("widget_key", "").strip()[:LONGEST_KEY]
    if found == "absent" and (widget_id or widget_key):
        raise ProblemError(Kind.INVALID, _N("A widget that does not exist has no id and no key."))
    settled = await app_state.ledger.operations.resolve(
        batch,
        number,
        created=found == "created",
        actor=visitor.token.name,
        result=Result(widget_id=widget_id, key=widget_key) if widget_id or widget_key else None,
    )
    if not settled:
        raise ProblemError(Kind.NOT_IN_DOUBT, _N("The job is not in doubt any more."))
    app_state.notifier.notify(batch)
    return back_to(f"/jobs/{job}", done="resolved")
