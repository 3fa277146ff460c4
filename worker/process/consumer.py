"""
Celery's consumer, changed to check every message before Celery does, to wait while the broker is unavailable
or refuses, and to declare only its own queue.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown
from kombu.utils.json import dumps

from provisioning.broker.redis_transport import UNREADABLE, refusal
from provisioning.messages import DRAIN, REFUSE, UnreadableError, ValidMessage, read
from provisioning.observability.log_events import BROKER_REFUSED
from provisioning.observability.logs import log_event

JSON = "application/json"

LONGEST = 1_000_000
"""Most bytes of an unreadable message that are stored; of a longer one the beginning is."""

PAUSE = 2.0
"""Seconds between two attempts while the broker answers and refuses."""


def make_consumer(sign: Callable[[], None]) -> type[Consumer]:
    """
    A class of consumers that call `sign` once a second while they try to reach their broker.

    Their loop does not run meanwhile, and the watchdog would take them for stuck: the ledger may answer if
    the broker is another server.
    """

    class WaitingConsumer(Consumer):  # type: ignore[misc] # Celery ships no types
        class Blueprint(Consumer.Blueprint):  # type: ignore[misc]
            # On quorum queues it would declare 28 more for messages with an ETA, and we send none.
            default_steps = [  # noqa: RUF012 # the form in which Celery reads them
                "worker.process.celery_heart:Heart" if step.endswith(":Heart") else step
                for step in Consumer.Blueprint.default_steps
                if "delayed_delivery" not in step
            ]

        def ensure_connected(self, conn: Any) -> Any:
            ensure = conn.ensure_connection

            def ensure_with_signs(
                *args: Any, callback: Callable[[], None] | None = None, **options: Any
            ) -> Any:
                def second_passed() -> None:
                    sign()
                    if callback is not None:
                        callback()

                return ensure(*args, callback=second_passed, **options)

            conn.ensure_connection = ensure_with_signs
            return super().ensure_connected(conn)

        def on_connection_error_after_connected(self, exc: Exception) -> None:
            """Pauses before the next attempt: a broker that refuses would refuse again at once."""
            super().on_connection_error_after_connected(exc)
            refused = refusal(exc)
            if refused is None:
                return  # it is unavailable: Celery waits for it
            log_event(BROKER_REFUSED, error=refused, delay_s=PAUSE)
            until = time.monotonic() + PAUSE
            while time.monotonic() < until:
                sign()
                maybe_shutdown()
                time.sleep(0.1)

        def create_task_handler(self) -> Callable[[Any], None]:
            """Makes Celery execute each readable message, and store the others."""
            carry_out = super().create_task_handler()

            def on_message(message: Any) -> None:
                prepare(message)
                try:
                    carry_out(message)
                except Exception as error:
                    lost = isinstance(error, self.connection_errors) and not isinstance(error, KeyError)
                    if lost or message.acknowledged or message.headers["task"] == REFUSE:
                        raise
                    refuse(message, f"unforeseen: {type(error).__name__}")
                    carry_out(message)

            return on_message

        def on_decode_error(self, message: Any, exc: Exception) -> None:
            """What kombu could not decompress or decode."""
            refuse(message, f"it cannot be decoded: {type(exc).__name__}")
            self.task_consumer.on_message(message)

    return WaitingConsumer


def prepare(message: Any) -> None:
    """Turns a message into one that Celery can execute; an unreadable one into the task that stores it."""
    try:
        valid = read(message.headers, _decoded(message), datetime.now(UTC))
    except UnreadableError as unreadable:
        refuse(message, str(unreadable))
    else:
        _replace(message, valid)


def refuse(message: Any, reason: str) -> None:
    """Turns a message into the task that stores it with the reason; acknowledged when it is stored."""
    headers = message.headers if isinstance(message.headers, dict) else {}
    body = message.body if isinstance(message.body, bytes) else str(message.body or "").encode()
    digest = hashlib.sha256(body).hexdigest()[:12]
    task = DRAIN if headers.get("task") == DRAIN else str(headers.get("id") or f"unreadable-{digest}")[:200]
    kept: dict[str, Any] = {"headers": headers, "content_type": message.content_type}
    try:
        kept["body"] = body[:LONGEST].decode()
    except UnicodeDecodeError:
        kept["body_base64"] = base64.b64encode(body[:LONGEST]).decode()
    kwargs = {"reason": reason, "task": task, "batch": "", "message": kept}
    message.errors = []
    _replace(
        message,
        ValidMessage(REFUSE, {"lang": "py", "task": REFUSE, "id": f"refused-{digest}"}, ([], kwargs, {})),
    )


def _replace(message: Any, valid: ValidMessage) -> None:
    message.headers = valid.headers
    message.properties = {"correlation_id": valid.headers["id"]}
    message.delivery_info = dict(message.delivery_info)
    message.body = dumps(valid.body).encode()  # type: ignore[no-untyped-call]
    message.content_type, message.content_encoding = JSON, "utf-8"
    message._decoded_cache = list(valid.body)


def _decoded(message: Any) -> Any:
    if message.content_type == UNREADABLE:
        raise UnreadableError("it is no message of Celery's")
    if message.content_type != JSON:
        raise UnreadableError(f"its content type is {str(message.content_type)[:100]!r}: only JSON is read")
    try:
        return message.decode()
    except Exception as error:  # noqa: BLE001 - kombu raises many kinds of errors on what it cannot decode
        raise UnreadableError(f"its body is no JSON: {type(error).__name__}") from None
