"""What a person does on a page: pause, resume, cancel, redrive, resolve. Each is a form."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.owned import check_job
from api.problem import Kind, ProblemError
from api.request import state_of
from console.web.route import form_of, pages
from console.web.visitor import Visiting, Visitor, batch_of
from provisioning import scopes
from provisioning.attempt import Result
from provisioning.ledger import Selection
from provisioning.ledger.tokens import Scope
from provisioning.lifecycle import State

router = pages()

LONGEST_REASON = 500


@router.post("/batches/{batch}/pause")
async def pause(request: Request, visitor: Visiting, batch: str) -> Response:
    """Pauses sending for a batch."""
    form, found = await _asked(request, visitor, batch)
    ledger = state_of(request).ledger
    actor = visitor.token.name
    reason = _reason(form) or f"paused by {actor}"
    await ledger.operations.hold(scopes.of_batch(found), actor=actor, justification=reason)
    return _back(found, done="paused")


@router.post("/batches/{batch}/resume")
async def resume(request: Request, visitor: Visiting, batch: str) -> Response:
    """Resumes sending after a pause or a stop-loss."""
    form, found = await _asked(request, visitor, batch)
    ledger = state_of(request).ledger
    await ledger.operations.release(
        scopes.of_batch(found), actor=visitor.token.name, justification=_reason(form)
    )
    return _back(found, done="resumed")


@router.post("/batches/{batch}/cancel")
async def cancel(request: Request, visitor: Visiting, batch: str) -> Response:
    """Cancels all unsent jobs of a batch."""
    form, found = await _asked(request, visitor, batch)
    ledger = state_of(request).ledger
    count = await ledger.operations.cancel(found, visitor.token.name, justification=_reason(form))
    return _back(found, done="cancelled", count=count)


@router.post("/batches/{batch}/redrive")
async def redrive(request: Request, visitor: Visiting, batch: str) -> Response:
    """Queues the dead jobs again that the person has seen; risky ones only with a reason."""
    form, found = await _asked(request, visitor, batch)
    app_state = state_of(request)
    reason = _reason(form)
    if form.get("risky") and not reason:
        raise ProblemError(Kind.INVALID, "jobs that may have a widget are redriven only with a reason")
    try:
        until = float(form["until"])
    except (KeyError, ValueError):
        raise ProblemError(Kind.INVALID, "the form has no time: load the page again") from None
    wanted = Selection(State.DEAD, form.get("cause", "")[:200], until=until)
    came = await app_state.ledger.operations.redrive(
        found, wanted, visitor.token.name, justification=reason if form.get("risky") else ""
    )
    app_state.notifier.notify(found)
    return _back(found, done="redriven", count=came.queued)


@router.post("/jobs/{job}/resolve")
async def resolve(request: Request, visitor: Visiting, job: str) -> Response:
    """Settles a job in doubt as the person has found."""
    form = await form_of(request, visitor, Scope.OPERATE)
    app_state = state_of(request)
    batch, number = await check_job(request, visitor.token, job)
    found = form.get("found")
    if found not in ("created", "absent"):
        raise ProblemError(Kind.INVALID, "choose whether the widget exists")
    widget_id = form.get("widget_id", "").strip()[:200] if found == "created" else ""
    settled = await app_state.ledger.operations.resolve(
        batch,
        number,
        created=found == "created",
        actor=visitor.token.name,
        result=Result(widget_id=widget_id) if widget_id else None,
    )
    if not settled:
        raise ProblemError(Kind.NOT_IN_DOUBT, "the job is not in doubt any more; nothing was changed")
    app_state.notifier.notify(batch)
    return RedirectResponse(f"/jobs/{job}?" + urlencode({"done": "resolved"}), 303)


async def _asked(request: Request, visitor: Visitor, batch: str) -> tuple[dict[str, str], str]:
    """The form of an act on a batch, and the id of the batch."""
    form = await form_of(request, visitor, Scope.OPERATE)
    return form, await batch_of(request, visitor, batch)


def _reason(form: dict[str, str]) -> str:
    return form.get("reason", "").strip()[:LONGEST_REASON]


def _back(batch: str, **done: str | int) -> Response:
    return RedirectResponse(f"/batches/{batch}?" + urlencode(done), 303)
