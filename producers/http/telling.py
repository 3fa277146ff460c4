"""Routes by which a batch is given a webhook."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from producers.http.answers import json_answer, refusals
from producers.http.door import Door
from producers.http.models import NewWebhook, WebhookState
from producers.http.problem import Kind, ProblemError
from producers.http.request import Submitter, door_of, read_body
from producers.http.small_json import check_said_once
from producers.webhooks import NotYoursError, Webhook
from provisioning import scopes
from provisioning.ledger.tokens import Scope, Token

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
        200: {"model": NewWebhook, "description": "It will be told."},
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
    door = door_of(request)
    found = await door.ledger.view.batch_id(batch)
    body = await read_body(request)
    check_said_once(body)
    try:
        wanted = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ProblemError(Kind.INVALID, "the body is not a webhook", hint='{"url": "https://…"}') from None
    if len(wanted.url) > 2000:
        raise ProblemError(Kind.INVALID, "an address has 2,000 characters at most")
    try:
        webhook = await door.webhooks.set(found, wanted.url, by=caller.id, may_replace=_may_all(caller))
    except NotYoursError:
        raise _not_yours() from None
    await _note(door, caller, found, "set", webhook)
    return json_answer({"batch": found, "secret": webhook.secret})


@router.get(
    "/v1/batches/{batch}/webhook",
    response_class=Response,
    responses={200: {"model": WebhookState, "description": "How it goes."}, **refusals(Kind.NOT_FOUND)},
)
async def show_webhook(request: Request, caller: Submitter, batch: str) -> Response:
    """
    Show how the batch's webhook goes, without its secret, and of its address where it is.

    One that another token has set takes the scope `operate`.
    """
    door = door_of(request)
    found = await door.ledger.view.batch_id(batch)
    webhook = await _theirs(door, caller, found)
    return json_answer(
        {
            "batch": found,
            "url": webhook.address,
            "tries": webhook.tries,
            "failure": webhook.failure,
            "given_up": webhook.given_up,
        }
    )


@router.delete(
    "/v1/batches/{batch}/webhook",
    status_code=204,
    response_class=Response,
    responses={204: {"description": "Nobody will be told."}, **refusals(Kind.NOT_FOUND)},
)
async def remove_webhook(request: Request, caller: Submitter, batch: str) -> Response:
    """Have nobody told any more. One that another token has set takes the scope `operate`."""
    door = door_of(request)
    found = await door.ledger.view.batch_id(batch)
    webhook = await _theirs(door, caller, found)
    if not await door.webhooks.remove(found):
        raise ProblemError(Kind.NOT_FOUND, "the batch has no webhook")
    await _note(door, caller, found, "removed", webhook)
    return Response(status_code=204)


async def _theirs(door: Door, caller: Token, batch: str) -> Webhook:
    """The batch's webhook. Raises: ProblemError if it has none, or one that is not this caller's to see."""
    webhook = await door.webhooks.get(batch)
    if webhook is None:
        raise ProblemError(Kind.NOT_FOUND, "the batch has no webhook")
    if webhook.by != caller.id and not _may_all(caller):
        raise _not_yours()
    return webhook


def _may_all(caller: Token) -> bool:
    """Whether others' webhooks are this caller's business too."""
    return Scope.OPERATE in caller.scopes


def _not_yours() -> ProblemError:
    return ProblemError(
        Kind.NO_SCOPE, "the token lacks the scope operate", hint="another token has set this batch's webhook"
    )


async def _note(door: Door, caller: Token, batch: str, done: str, webhook: Webhook) -> None:
    facts: dict[str, str | int] = {"done": done, "address": webhook.address}
    await door.ledger.hand.note("webhook", by=caller.name, on=scopes.of_batch(batch), facts=facts)
