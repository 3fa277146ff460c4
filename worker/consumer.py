"""
Celery's consumer, made to give a sign of life while it waits for a broker that is away, and to declare no
queues but its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer


def make_consumer(sign: Callable[[], None]) -> type[Consumer]:
    """
    A class of consumers that call `sign` once a second while they try to reach their broker.

    Their loop does not turn meanwhile, which would look as if they were stuck: the ledger may well answer,
    where the broker is another server.
    """

    class WaitingConsumer(Consumer):  # type: ignore[misc] # Celery ships no types
        class Blueprint(Consumer.Blueprint):  # type: ignore[misc]
            # On quorum queues it would declare 28 more for messages with an ETA, and we send none.
            default_steps = [  # noqa: RUF012 # the form in which Celery reads them
                step for step in Consumer.Blueprint.default_steps if "delayed_delivery" not in step
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

    return WaitingConsumer
