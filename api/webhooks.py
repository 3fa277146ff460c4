"""Routes for the webhook of a batch, a single job or an owner."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import models
from api.answers import json_answer, refusals
from api.owned import batch_of, check_job, job_of
from api.problem import Kind, ProblemError
from api.request import Submitter, Watcher, read_body, state_of
from api.small_json import check_unique_names
from api.webhook_subjects import (
    Subject,
    may_all,
    no_webhook,
    not_yours,
    note,
    on_batch,
    on_job,
    on_owner,
    webhook_of,
)
from provisioning.ledger.schema import WEBHOOK_EVENTS, Happened, Move
from provisioning.ledger.tokens import Token
from provisioning.ledger.webhooks import NotYoursError, Webhook, WebhookState

router = APIRouter(tags=["Webhooks"])


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """The address to notify."""

    url: str


class WantedOfOwner(Wanted, forbid_unknown_fields=True):
    """The address to notify, and of what; of everything if nothing is named."""

    events: list[Happened] | msgspec.UnsetType = msgspec.UNSET


_decode = msgspec.json.Decoder(Wanted).decode
_decode_of_owner = msgspec.json.Decoder(WantedOfOwner).decode

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

_BODY_OF_OWNER = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["url"],
            "properties": {
                "url": {"type": "string", "maxLength": 2000},
                "events": {
                    "type": "array",
                    "items": {"type": "string", "enum": [str(each) for each in WEBHOOK_EVENTS]},
                    "minItems": 1,
                    "uniqueItems": True,
                },
            },
            "additionalProperties": False,
        },
        "examples": {
            "all": {"value": {"url": "https://crm.example/hooks/widgets"}},
            "some": {
                "value": {"url": "https://crm.example/hooks/widgets", "events": ["batch.settled", "job.dead"]}
            },
        },
    }
}


@router.put(
    "/v1/batches/{batch}/webhook",
    response_class=Response,
    responses={
        200: {"model": models.NewWebhook, "description": "The webhook is set."},
        **refusals(Kind.NOT_FOUND, Kind.TOO_LARGE, Kind.WRONG_TYPE),
    },
    openapi_extra={"requestBody": {"required": True, "content": _BODY}},
)
async def set_webhook(request: Request, caller: Submitter, batch: str) -> Response:
    """
    Set the webhook of a batch: notify when it settles, or when a stop-loss or brake holds it.

    Notifications are signed (Standard Webhooks) with the secret in the answer, which is shown only once.
    Failed deliveries are retried for about nineteen hours. Addresses in private networks are refused. To
    replace the webhook of another token, the scope `operate` is needed.
    """
    return await _set(request, caller, on_batch(await batch_of(request, caller, batch)))


@router.put(
    "/v1/jobs/{job}/webhook",
    response_class=Response,
    responses={
        200: {"model": models.NewJobWebhook, "description": "The webhook is set."},
        **refusals(Kind.NOT_FOUND, Kind.TOO_LARGE, Kind.WRONG_TYPE),
    },
    openapi_extra={"requestBody": {"required": True, "content": _BODY}},
)
async def set_job_webhook(request: Request, caller: Submitter, job: str) -> Response:
    """
    Set the webhook of a job from POST /v1/jobs: notify when it ends, or now if it has ended.

    Signed and retried like the webhook of a batch. For a job that another token submitted, the scope
    `operate` is needed.
    """
    await _check_theirs(request, caller, job)
    return await _set(request, caller, on_job(job))


@router.put(
    "/v1/webhook",
    response_class=Response,
    responses={
        200: {"model": models.NewOwnerWebhook, "description": "The webhook is set."},
        **refusals(Kind.TOO_LARGE, Kind.WRONG_TYPE),
    },
    openapi_extra={"requestBody": {"required": True, "content": _BODY_OF_OWNER}},
)
async def set_owner_webhook(request: Request, caller: Watcher) -> Response:
    """
    Set the webhook of the token's owner: notify of events of all its batches and single jobs, from now on.

    `events` limits it to these types. Signed and retried like the webhook of a batch; a batch or job may have
    its own beside it. The token needs the scopes `submit` and `read`. To replace the webhook of another
    token, the scope `operate` is needed.
    """
    return await _set(request, caller, on_owner(caller.owner))


@router.get(
    "/v1/batches/{batch}/webhook",
    response_class=Response,
    responses={
        200: {"model": models.WebhookState, "description": "Status of the webhook."},
        **refusals(Kind.NOT_FOUND),
    },
)
async def show_webhook(request: Request, caller: Submitter, batch: str) -> Response:
    """
    Show the status of the batch's webhook, without its secret and the path of its address.

    For the webhook of another token, the scope `operate` is needed.
    """
    return await _show(request, caller, on_batch(await batch_of(request, caller, batch)))


@router.get(
    "/v1/jobs/{job}/webhook",
    response_class=Response,
    responses={
        200: {"model": models.JobWebhookState, "description": "Status of the webhook."},
        **refusals(Kind.NOT_FOUND),
    },
)
async def show_job_webhook(request: Request, caller: Submitter, job: str) -> Response:
    """Show the status of the job's webhook. For that of another token, the scope `operate` is needed."""
    await check_job(request, caller, job)
    return await _show(request, caller, on_job(job))


@router.get(
    "/v1/webhook",
    response_class=Response,
    responses={
        200: {"model": models.OwnerWebhookState, "description": "Status of the webhook."},
        **refusals(Kind.NOT_FOUND),
    },
)
async def show_owner_webhook(request: Request, caller: Watcher) -> Response:
    """Show the status of the owner's webhook. For that of another token, the scope `operate` is needed."""
    return await _show(request, caller, on_owner(caller.owner))


@router.delete(
    "/v1/batches/{batch}/webhook",
    status_code=204,
    response_class=Response,
    responses={204: {"description": "The webhook is removed."}, **refusals(Kind.NOT_FOUND)},
)
async def remove_webhook(request: Request, caller: Submitter, batch: str) -> Response:
    """Remove the webhook. For that of another token, the scope `operate` is needed."""
    return await _remove(request, caller, on_batch(await batch_of(request, caller, batch)))


@router.delete(
    "/v1/jobs/{job}/webhook",
    status_code=204,
    response_class=Response,
    responses={204: {"description": "The webhook is removed."}, **refusals(Kind.NOT_FOUND)},
)
async def remove_job_webhook(request: Request, caller: Submitter, job: str) -> Response:
    """Remove the webhook. For that of another token, the scope `operate` is needed."""
    await check_job(request, caller, job)
    return await _remove(request, caller, on_job(job))


@router.delete(
    "/v1/webhook",
    status_code=204,
    response_class=Response,
    responses={204: {"description": "The webhook is removed."}, **refusals(Kind.NOT_FOUND)},
)
async def remove_owner_webhook(request: Request, caller: Watcher) -> Response:
    """Remove the webhook. For that of another token, the scope `operate` is needed."""
    return await _remove(request, caller, on_owner(caller.owner))


async def _set(request: Request, caller: Token, subject: Subject) -> Response:
    wanted, events = _read(await read_body(request), subject)
    try:
        webhook = await state_of(request).webhooks.set(
            subject.on, wanted.url, actor=caller.id, may_replace=may_all(caller), events=events
        )
    except NotYoursError:
        raise not_yours("another token set this webhook") from None
    await note(request, caller, subject, "set", webhook)
    return json_answer({**subject.named, "secret": webhook.secret})


def _read(body: bytes, subject: Subject) -> tuple[Wanted, list[Happened]]:
    """The body as a webhook, and the events that it asks for. Raises: ProblemError."""
    check_unique_names(body)
    try:
        wanted = _decode_of_owner(body) if "owner" in subject.named else _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ProblemError(Kind.INVALID, "the body must be a webhook", hint='{"url": "https://…"}') from None
    if len(wanted.url) > 2000:
        raise ProblemError(Kind.INVALID, "an address may have at most 2,000 characters")
    if not isinstance(wanted, WantedOfOwner) or wanted.events is msgspec.UNSET:
        return wanted, []
    events = wanted.events
    if not events or len(set(events)) < len(events) or not set(events) <= set(WEBHOOK_EVENTS):
        raise ProblemError(
            Kind.INVALID, "events must be types of webhook events, each once", hint=", ".join(WEBHOOK_EVENTS)
        )
    return wanted, events


async def _show(request: Request, caller: Token, subject: Subject) -> Response:
    webhook, state = await webhook_of(request, caller, subject)
    shown = {**subject.named, **_shown(webhook, state)}
    if "owner" in subject.named:
        shown["events"] = webhook.events or WEBHOOK_EVENTS
    return json_answer(shown)


async def _remove(request: Request, caller: Token, subject: Subject) -> Response:
    webhook, _ = await webhook_of(request, caller, subject)
    if not await state_of(request).webhooks.remove(subject.on):
        raise no_webhook()
    await note(request, caller, subject, "removed", webhook)
    return Response(status_code=204)


async def _check_theirs(request: Request, caller: Token, job: str) -> None:
    """Raises: ProblemError if it is no single job, or one for which this caller may set no webhook."""
    record = await job_of(request, caller, job)
    accepted = next((move for move in record.moves if move.move == Move.ACCEPTED), None)
    if accepted is None:
        raise ProblemError(
            Kind.INVALID,
            "the job belongs to a batch",
            hint=f"PUT /v1/batches/{record.batch}/webhook notifies about the batch",
        )
    if accepted.by != caller.name and not may_all(caller):
        raise not_yours("another token submitted this job")


def _shown(webhook: Webhook, state: WebhookState) -> dict[str, Any]:
    return {
        "url": webhook.address,
        "tries": state.tries,
        "failure": state.failure,
        "given_up": state.given_up,
        "former_until": webhook.former_until(time.time()),
    }
