"""Asking for acts on many jobs: redrive, cancel, settle doubts alike; and cancelling such an act."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api.bulk_acts import ask, expected
from api.problem import Kind, ProblemError
from api.request import state_of
from console.web.fields import LONGEST_CAUSE, back_to, form_on_batch, reason_of, time_of
from console.web.render import _N
from console.web.route import form_of, pages
from console.web.visitor import Visiting, Visitor
from provisioning.ledger import Selection
from provisioning.ledger.bulk_acts import Asked, Verb
from provisioning.ledger.tokens import Scope
from provisioning.lifecycle import State

router = pages()

AT_ONCE = 1.0
"""Seconds for which a form waits for the end of its act: most end sooner, and their page then shows it."""


async def _ask(
    request: Request,
    visitor: Visitor,
    id_: str,
    verb: Verb,
    batch: str,
    wanted: Selection,
    justification: str,
    *,
    created: bool = False,
) -> Response:
    """Records an act, and goes to its page."""
    app_state = state_of(request)
    queries = app_state.ledger.queries
    act = Asked(
        id=id_,
        verb=verb,
        batch=batch,
        owner=await queries.owner(batch),
        actor=visitor.token.name,
        wanted=wanted,
        expected=await expected(app_state.ledger, batch, wanted),
        asked_at=await queries.now(),
        justification=justification,
        created=created,
    )
    await ask(request, act)
    await app_state.bulk_acts.wait(act.id, AT_ONCE)
    return back_to(f"/bulk-acts/{act.id}")


def _id_of(form: dict[str, str]) -> str:
    """The id that the page has made for the act: the form may be sent twice."""
    return form.get("bulk_act", "")


@router.post("/batches/{batch}/redrive")
async def redrive(request: Request, visitor: Visiting, batch: str) -> Response:
    """Queues the jobs again that the person has seen; risky ones only with a reason."""
    form, found = await form_on_batch(request, visitor, batch)
    reason = reason_of(form)
    if form.get("risky") and not reason:
        raise ProblemError(Kind.INVALID, _N("Jobs that may have a widget are redriven only with a reason."))
    state = State.CANCELLED if form.get("state") == State.CANCELLED else State.DEAD
    wanted = Selection(state, form.get("cause", "")[:LONGEST_CAUSE], until=time_of(form, "until"))
    why = reason if form.get("risky") else ""
    return await _ask(request, visitor, _id_of(form), Verb.REDRIVE, found, wanted, why)


@router.post("/batches/{batch}/cancel")
async def cancel(request: Request, visitor: Visiting, batch: str) -> Response:
    """Cancels all unsent jobs of a batch."""
    form, found = await form_on_batch(request, visitor, batch)
    return await _ask(request, visitor, _id_of(form), Verb.CANCEL, found, Selection(), reason_of(form))


@router.post("/batches/{batch}/resolve")
async def resolve(request: Request, visitor: Visiting, batch: str) -> Response:
    """Settles the jobs in doubt of one cause alike, as the person has found."""
    form, found = await form_on_batch(request, visitor, batch)
    if form.get("found") not in ("created", "absent"):
        raise ProblemError(Kind.INVALID, _N("Choose whether the widgets exist."))
    if not (reason := reason_of(form)):
        raise ProblemError(Kind.INVALID, _N("Settling many jobs alike needs a reason."))
    wanted = Selection(State.IN_DOUBT, form.get("cause", "")[:LONGEST_CAUSE], until=time_of(form, "until"))
    created = form["found"] == "created"
    return await _ask(request, visitor, _id_of(form), Verb.RESOLVE, found, wanted, reason, created=created)


@router.post("/bulk-acts/{bulk_act}/cancel")
async def cancel_bulk_act(request: Request, visitor: Visiting, bulk_act: str) -> Response:
    """Cancels an act; what it has changed stays."""
    await form_of(request, visitor, Scope.OPERATE)
    app_state = state_of(request)
    await app_state.ledger.bulk_acts.find(bulk_act, visitor.token.sees)
    await app_state.ledger.bulk_acts.stop(bulk_act)
    app_state.bulk_acts.wake()
    await app_state.bulk_acts.wait(bulk_act, AT_ONCE)
    return back_to(f"/bulk-acts/{bulk_act}")
