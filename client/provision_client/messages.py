"""Jobs handed over by Celery, for services that share the broker."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celery import Celery

TASK = "provision.submit"
"""Name of the task that workers carry out."""


def send_message(
    app: Celery,
    jobs: Sequence[Mapping[str, Any]],
    *,
    batch: str | None = None,
    idempotency_key: str | None = None,
    new_bots: bool = False,
    as_is: Sequence[str] = (),
) -> None:
    """
    Hands jobs over through the broker, from any Celery app that knows it.

    Args:
        new_bots: whether a job without a bot id makes a new bot.
        as_is: paths whose ids are meant as they stand, such as "bot.id".

    The broker has them when this returns; a worker brings them into the ledger. What it refuses is listed by
    `provision refused-messages`.
    """
    message: dict[str, Any] = {
        "jobs": [dict(job) for job in jobs],
        "batch": batch,
        "idempotency_key": idempotency_key or secrets.token_hex(16),
        "new_bots": new_bots,
    }
    if as_is:  # workers of an older version do not know it
        message["as_is"] = list(as_is)
    app.send_task(TASK, kwargs=message, ignore_result=True)
