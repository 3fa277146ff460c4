"""
Celery's sign of life to Flower, without its patience: a sign that cannot be sent is sent later.

Celery tries to send one until the broker takes it, in the loop that does all else: a worker whose broker
refuses heard no SIGTERM, and looked as if it were stuck.
"""

from __future__ import annotations

from typing import Any

from celery.worker import heartbeat
from celery.worker.consumer import heart


class Heart(heart.Heart):  # type: ignore[misc] # Celery ships no types
    """The step that has a worker give such signs."""

    def start(self, c: Any) -> None:
        """As Celery has it."""
        c.heart = _Heart(c.timer, c.event_dispatcher, self.heartbeat_interval)
        c.heart.start()


class _Heart(heartbeat.Heart):  # type: ignore[misc]
    def _send(self, event: str, retry: bool = False) -> Any:  # noqa: ARG002 # that is the point
        return super()._send(event, retry=False)
