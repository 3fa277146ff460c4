"""Pausing and resuming: a batch, a credential, the address of the API, or everything."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api.problem import Kind, ProblemError
from api.request import state_of
from console.web.fields import back_to, check_shared, form_on_batch, reason_of
from console.web.render import _N
from console.web.route import form_of, pages
from console.web.visitor import Visiting
from provisioning import scopes
from provisioning.ledger.tokens import Scope

router = pages()

SHARED = (scopes.KINDS["credential"], scopes.KINDS["target"], scopes.EVERYTHING)
"""Beginnings of the scopes that are no batch's."""


@router.post("/batches/{batch}/pause")
async def pause(request: Request, visitor: Visiting, batch: str) -> Response:
    """Pauses sending for a batch."""
    form, found = await form_on_batch(request, visitor, batch)
    actor = visitor.token.name
    reason = reason_of(form) or f"paused by {actor}"
    await state_of(request).ledger.operations.hold(scopes.of_batch(found), actor=actor, justification=reason)
    return back_to(f"/batches/{found}", done="paused")


@router.post("/batches/{batch}/resume")
async def resume(request: Request, visitor: Visiting, batch: str) -> Response:
    """Resumes sending after a pause or a stop-loss."""
    form, found = await form_on_batch(request, visitor, batch)
    app_state = state_of(request)
    await app_state.ledger.operations.release(
        scopes.of_batch(found), actor=visitor.token.name, justification=reason_of(form)
    )
    app_state.notifier.notify(found)
    return back_to(f"/batches/{found}", done="resumed")


@router.post("/holds/pause")
async def pause_shared(request: Request, visitor: Visiting) -> Response:
    """Pauses sending with a credential, or all sending."""
    form = await form_of(request, visitor, Scope.OPERATE)
    check_shared(visitor)
    actor = visitor.token.name
    reason = reason_of(form) or f"paused by {actor}"
    await state_of(request).ledger.operations.hold(_scope_of(form), actor=actor, justification=reason)
    return back_to("/workers", done="paused")


@router.post("/holds/resume")
async def resume_shared(request: Request, visitor: Visiting) -> Response:
    """Resumes sending after a pause, or has a circuit breaker let a probe through."""
    form = await form_of(request, visitor, Scope.OPERATE)
    check_shared(visitor)
    app_state = state_of(request)
    came = await app_state.ledger.operations.release(
        _scope_of(form), actor=visitor.token.name, justification=reason_of(form)
    )
    for batch in await app_state.ledger.queries.active():
        app_state.notifier.notify(batch)
    return back_to("/workers", done=str(came))


def _scope_of(form: dict[str, str]) -> str:
    scope = form.get("scope", "")[:1000]
    if not scope.startswith(SHARED):
        raise ProblemError(Kind.INVALID, _N("Choose what to pause or resume."))
    return scope
