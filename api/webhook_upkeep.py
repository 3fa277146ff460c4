"""Routes for the upkeep of a webhook: the same for that of a batch, a job and an owner."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import models
from api.answers import json_answer, refusals
from api.problem import Kind, ProblemError
from api.request import state_of
from api.webhook_subjects import EACH, found, note, webhook_of
from provisioning.ledger.schema import Delivered

router = APIRouter(tags=["Webhooks"])

Route = Callable[..., Awaitable[Response]]


def _for_each(
    method: str, path: str, name: str, model: type, description: str, *others: Kind, status: int = 200
) -> Callable[[Route], Route]:
    """Adds a route for each thing that may have a webhook; `{}` in `name` is what it is."""

    def add(route: Route) -> Route:
        for subject, prefix, find in EACH:
            router.add_api_route(
                prefix + path,
                route,
                methods=[method],
                name=name.format(subject),
                dependencies=[find],
                status_code=status,
                response_class=Response,
                responses={
                    status: {"model": model, "description": description},
                    **refusals(Kind.NOT_FOUND, *others),
                },
            )
        return route

    return add


@_for_each("POST", "/rotate", "rotate_{}_webhook", models.RotatedWebhook, "The new secret, shown only once.")
async def rotate(request: Request) -> Response:
    """
    Give the webhook a new secret, without a gap: for 24 hours the former one signs as well.

    `webhook-signature` then has both signatures, as Standard Webhooks defines. To end the former secret at
    once, set the webhook anew.
    """
    caller, subject = found(request)
    rotated = None
    while rotated is None:  # another request may have changed it in between, and whose it is
        webhook, _ = await webhook_of(request, caller, subject)
        rotated = await state_of(request).webhooks.rotate(subject.on, webhook)
    await note(request, caller, subject, "rotated", rotated)
    return json_answer({**subject.named, "secret": rotated.secret, "former_until": rotated.former[0].until})


@_for_each(
    "POST", "/test", "test_{}_webhook", models.TestedWebhook, "What came of it, whatever it is.", Kind.BUSY
)
async def test(request: Request) -> Response:
    """
    Deliver an event `webhook.test` now, signed like any other, and answer with what came of it.

    `failure` is empty if the receiver accepted it: then `status` is 2xx. Without an answer within 15 seconds
    it is `unreachable`. A test is not repeated and is not in the list of deliveries.
    """
    caller, subject = found(request)
    webhook, _ = await webhook_of(request, caller, subject)
    await note(request, caller, subject, "tested", webhook)
    state = state_of(request)
    async with state.webhook_tests.place(caller.id):
        message_id, reaction = await state.webhooks.test(webhook, subject.named)
    came = msgspec.structs.asdict(reaction.came)
    return json_answer({**subject.named, "id": message_id, "accepted": reaction.accepted, **came})


@_for_each("GET", "/deliveries", "{}_webhook_deliveries", models.WebhookDeliveries, "The last deliveries.")
async def list_deliveries(request: Request) -> Response:
    """
    List the last deliveries, newest first: at most 50, for seven days after the last attempt.

    `outcome` is `accepted`, `waiting` (it is tried again) or `given_up`. `status`, `failure` and
    `milliseconds` are those of the last attempt. What the receiver wrote is not stored.
    """
    caller, subject = found(request)
    await webhook_of(request, caller, subject)
    deliveries = await state_of(request).webhooks.deliveries(subject.on)
    shown = [msgspec.structs.asdict(each) for each in deliveries]
    return json_answer({**subject.named, "deliveries": shown})


@_for_each(
    "POST",
    "/deliveries/{delivery}/redeliver",
    "redeliver_{}_webhook",
    models.Redelivered,
    "It is in the outbox.",
    status=202,
)
async def redeliver(request: Request, delivery: str) -> Response:
    """
    Deliver an event again, with the same `webhook-id` and body, after those that wait already.

    If it waits already, nothing changes.
    """
    caller, subject = found(request)
    webhook, _ = await webhook_of(request, caller, subject)
    if not await state_of(request).webhooks.redeliver(subject.on, delivery):
        raise ProblemError(Kind.NOT_FOUND, "no such delivery", hint="GET …/webhook/deliveries lists them")
    await note(request, caller, subject, "redelivered", webhook)
    return json_answer({**subject.named, "id": delivery, "outcome": Delivered.WAITING}, 202)
