"""Routes for the upkeep of a webhook: the same for that of a batch and of a job."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import models
from api.answers import json_answer, refusals
from api.problem import Kind
from api.request import state_of
from api.webhook_post import Reaction
from api.webhook_subjects import EACH, found, note, webhook_of

router = APIRouter(tags=["Webhooks"])


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
    return json_answer({**subject.named, "id": message_id, **shown_reaction(reaction)})


def shown_reaction(reaction: Reaction) -> dict[str, str | int | bool | None]:
    """A reaction as the owner may see it. How long nobody answered would tell why."""
    return {
        "accepted": reaction.accepted,
        "status": reaction.status,
        "failure": reaction.failure,
        "milliseconds": None if reaction.status is None else round(reaction.seconds * 1000),
    }


for name, path, find in EACH:
    router.add_api_route(
        f"{path}/test",
        test,
        methods=["POST"],
        name=f"test_{name}_webhook",
        dependencies=[find],
        response_class=Response,
        responses={
            200: {"model": models.TestedWebhook, "description": "What came of it, whatever it is."},
            **refusals(Kind.NOT_FOUND, Kind.BUSY),
        },
    )
    router.add_api_route(
        f"{path}/rotate",
        rotate,
        methods=["POST"],
        name=f"rotate_{name}_webhook",
        dependencies=[find],
        response_class=Response,
        responses={
            200: {"model": models.RotatedWebhook, "description": "The new secret, shown only once."},
            **refusals(Kind.NOT_FOUND),
        },
    )
