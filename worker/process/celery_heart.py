"""
Celery's heartbeat for Flower without its blocking retries: a heartbeat that cannot be sent is sent later.

Celery retries it until the broker accepts it, in its main loop: a worker whose broker refused did not react
to SIGTERM, and looked stuck.
"""

from __future__ import annotations

from typing import Any

from celery.worker import heartbeat
from celery.worker.consumer import heart


class Heart(heart.Heart):  # type: ignore[misc] # Celery ships no types
    """The boot step that makes a worker send heartbeats."""

    def start(self, c: Any) -> None:
        """As in Celery."""
        c.heart = _Heart(c.timer, c.event_dispatcher, self.heartbeat_interval)
        c.heart.start()


class _Heart(heartbeat.Heart):  # type: ignore[misc]
    def _send(self, event: str, retry: bool = False) -> Any:  # noqa: ARG002 # that is the point
        return super()._send(event, retry=False)
