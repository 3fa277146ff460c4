"""Routes by which a batch, or a single job, is given a webhook."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import models
from api.answers import json_answer, refusals
from api.problem import Kind, ProblemError
from api.request import Submitter, read_body, state_of
from api.small_json import check_said_once
from provisioning import scopes
from provisioning.ledger.schema import Move
from provisioning.ledger.tokens import Scope, Token
from provisioning.ledger.webhooks import NotYoursError, Webhook, WebhookState

router = APIRouter(tags=["Webhooks"])


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """Where to tell."""

    url: str


_decode = msgspec.json.Decoder(Wanted).decode

_BODY = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["url"],
            "properties": {"url": {"type": "string", "maxLength": 2000}},
            "additionalProperties": False,
        },
        "examples": {"crm": {"value": {"url": "https://crm.example/hooks/widgets"}}},
    }
}


@router.put(
    "/v1/batches/{batch}/webhook",
    response_class=Response,
    responses={
        200: {"model": models.NewWebhook, "description": "It will be told."},
        **refusals(Kind.NOT_FOUND, Kind.TOO_LARGE, Kind.WRONG_TYPE),
    },
    openapi_extra={"requestBody": {"required": True, "content": _BODY}},
)
async def set_webhook(request: Request, caller: Submitter, batch: str) -> Response:
    """
    Have an address told when the batch has settled, or a stop-loss or brake holds it.

    Signed as Standard Webhooks has it, with the secret in the answer, which is shown this once. Tried again
    for some nineteen hours. Addresses of private networks are refused. To replace one that another token has
    set takes the scope `operate`.
    """
    found = await state_of(request).ledger.queries.batch_id(batch)
    webhook = await _set(request, caller, found, scopes.of_batch(found))
    return json_answer({"batch": found, "secret": webhook.secret})


@router.put(
    "/v1/jobs/{job}/webhook",
    response_class=Response,
    responses={
        200: {"model": models.NewJobWebhook, "description": "It will be told."},
        **refusals(Kind.NOT_FOUND, Kind.TOO_LARGE, Kind.WRONG_TYPE),
    },
    openapi_extra={"requestBody": {"required": True, "content": _BODY}},
)
async def set_job_webhook(request: Request, caller: Submitter, job: str) -> Response:
    """
    Have an address told when a job that came by POST /v1/jobs has ended; at once if it has already.

    Signed and tried again as a batch's webhook. A job that another token has handed over takes the scope
    `operate`.
    """
    await _check_theirs(request, caller, job)
    webhook = await _set(request, caller, job, scopes.of_job(job))
    return json_answer({"job": job, "secret": webhook.secret})


@router.get(
    "/v1/batches/{batch}/webhook",
    response_class=Response,
    responses={
        200: {"model": models.WebhookState, "description": "How it goes."},
        **refusals(Kind.NOT_FOUND),
    },
)
async def show_webhook(request: Request, caller: Submitter, batch: str) -> Response:
    """
    Show how the batch's webhook goes, without its secret, and of its address where it is.

    One that another token has set takes the scope `operate`.
    """
    found = await state_of(request).ledger.queries.batch_id(batch)
    return json_answer({"batch": found, **_shown(*await _theirs(request, caller, found))})


@router.get(
    "/v1/jobs/{job}/webhook",
    response_class=Response,
    responses={
        200: {"model": models.JobWebhookState, "description": "How it goes."},
        **refusals(Kind.NOT_FOUND),
    },
)
async def show_job_webhook(request: Request, caller: Submitter, job: str) -> Response:
    """Show how the job's webhook goes. One that another token has set takes the scope `operate`."""
    return json_answer({"job": job, **_shown(*await _theirs(request, caller, job))})


@router.delete(
    "/v1/batches/{batch}/webhook",
    status_code=204,
    response_class=Response,
    responses={204: {"description": "Nobody will be told."}, **refusals(Kind.NOT_FOUND)},
)
async def remove_webhook(request: Request, caller: Submitter, batch: str) -> Response:
    """Have nobody told any more. One that another token has set takes the scope `operate`."""
    found = await state_of(request).ledger.queries.batch_id(batch)
    return await _remove(request, caller, found, scopes.of_batch(found))


@router.delete(
    "/v1/jobs/{job}/webhook",
    status_code=204,
    response_class=Response,
    responses={204: {"description": "Nobody will be told."}, **refusals(Kind.NOT_FOUND)},
)
async def remove_job_webhook(request: Request, caller: Submitter, job: str) -> Response:
    """Have nobody told any more. One that another token has set takes the scope `operate`."""
    return await _remove(request, caller, job, scopes.of_job(job))


async def _set(request: Request, caller: Token, on: str, scope: str) -> Webhook:
    body = await read_body(request)
    check_said_once(body)
    try:
        wanted = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ProblemError(Kind.INVALID, "the body is not a webhook", hint='{"url": "https://…"}') from None
    if len(wanted.url) > 2000:
        raise ProblemError(Kind.INVALID, "an address has 2,000 characters at most")
    try:
        webhook = await state_of(request).webhooks.set(
            on, wanted.url, by=caller.id, may_replace=_may_all(caller)
        )
    except NotYoursError:
        raise _not_yours("another token has set this webhook") from None
    await _note(request, caller, scope, "set", webhook)
    return webhook


async def _remove(request: Request, caller: Token, on: str, scope: str) -> Response:
    webhook, _ = await _theirs(request, caller, on)
    if not await state_of(request).webhooks.remove(on):
        raise _none()
    await _note(request, caller, scope, "removed", webhook)
    return Response(status_code=204)


async def _theirs(request: Request, caller: Token, on: str) -> tuple[Webhook, WebhookState]:
    """The webhook of a batch or job. Raises: ProblemError if there is none that is this caller's to see."""
    found = await state_of(request).webhooks.get(on)
    if found is None:
        raise _none()
    if found[0].by != caller.id and not _may_all(caller):
        raise _not_yours("another token has set this webhook")
    return found


async def _check_theirs(request: Request, caller: Token, job: str) -> None:
    """Raises: ProblemError if it is no single job, or not one that this caller may have told of."""
    record = await state_of(request).ledger.queries.job(job)
    accepted = next((move for move in record.moves if move.move == Move.ACCEPTED), None)
    if accepted is None:
        raise ProblemError(
            Kind.INVALID,
            "the job came with a batch",
            hint=f"PUT /v1/batches/{record.batch}/webhook tells of the batch",
        )
    if accepted.by != caller.name and not _may_all(caller):
        raise _not_yours("another token has handed this job over")


def _shown(webhook: Webhook, state: WebhookState) -> dict[str, str | int]:
    return {
        "url": webhook.address,
        "tries": state.tries,
        "failure": state.failure,
        "given_up": state.given_up,
    }


def _may_all(caller: Token) -> bool:
    """Whether others' webhooks are this caller's business too."""
    return Scope.OPERATE in caller.scopes


def _none() -> ProblemError:
    return ProblemError(Kind.NOT_FOUND, "there is no webhook")


def _not_yours(hint: str) -> ProblemError:
    return ProblemError(Kind.NO_SCOPE, "the token lacks the scope operate", hint=hint)


async def _note(request: Request, caller: Token, scope: str, done: str, webhook: Webhook) -> None:
    facts: dict[str, str | int] = {"done": done, "address": webhook.address}
    await state_of(request).ledger.operations.note("webhook", by=caller.name, on=scope, facts=facts)
