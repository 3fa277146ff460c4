"""The `webhooks` section of the OpenAPI document: what is sent to the address of a webhook."""

from __future__ import annotations

from typing import Any, Final

from api.models import BatchEvent, JobEvent
from provisioning.ledger.schema import WEBHOOK_EVENTS, Happened

MEANINGS: Final = {
    Happened.BATCH_SETTLED: ("Batch settled", "All jobs of the batch have ended or wait for a person."),
    Happened.BATCH_STOPPED: ("Batch stopped", "The stop-loss stopped the batch; a person must look."),
    Happened.BATCH_BRAKED: ("Batch braked", "A circuit breaker holds jobs of the batch back."),
    Happened.JOB_SUCCEEDED: ("Job succeeded", "The widget of the single job exists."),
    Happened.JOB_DEAD: ("Job dead", "The single job ended without a known widget."),
    Happened.JOB_IN_DOUBT: ("Job in doubt", "The single job may have a widget; a person must check."),
    Happened.JOB_CANCELLED: ("Job cancelled", "The single job was cancelled."),
}
"""Title and meaning of each event."""

HEADERS: Final = [
    {
        "name": "webhook-id",
        "in": "header",
        "required": True,
        "description": "Id of the event, the same in each delivery: receivers recognise repeats by it.",
        "schema": {"type": "string"},
        "example": "msg_b7k2m9qx_1795404131000-0",
    },
    {
        "name": "webhook-timestamp",
        "in": "header",
        "required": True,
        "description": "When this delivery was sent, Unix seconds; refuse one that is too old.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
        "example": "1795404131",
    },
    {
        "name": "webhook-signature",
        "in": "header",
        "required": True,
        "description": "`v1,` and the Base64 of HMAC-SHA256 over `id.timestamp.body`, as Standard Webhooks "
        "defines; there may be several, separated by spaces.",
        "schema": {"type": "string", "pattern": "^v1,[A-Za-z0-9+/=]+( v1a?,[A-Za-z0-9+/=]+)*$"},
        "example": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
]

ANSWERS: Final = {
    "2XX": {"description": "The event is accepted; its body is ignored."},
    "410": {"description": "The receiver is gone: the webhook is removed."},
    "default": {"description": "Anything else, also no answer, is a failure: the event is delivered again."},
}


def webhooks() -> dict[str, Any]:
    """The section, in the order of the events."""
    return {str(event): {"post": _operation(event)} for event in WEBHOOK_EVENTS}


def _operation(event: Happened) -> dict[str, Any]:
    title, meaning = MEANINGS[event]
    model = BatchEvent if event.startswith("batch.") else JobEvent
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {
        "tags": ["Webhooks"],
        "summary": title,
        "description": f"{meaning} The `type` is `{event}`.",
        "operationId": "on_" + event.replace(".", "_"),
        "security": [],
        "parameters": HEADERS,
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": ANSWERS,
    }
