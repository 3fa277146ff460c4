"""
Notifies workers without blocking the caller: from its own thread, and once for repeated requests of a batch.

A lost notification costs a second: every worker also looks for active batches by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from provisioning.errors import LedgerUnavailableError
from provisioning.observability.log_events import NOTIFICATION_LOST
from provisioning.observability.logs import log_event


class BackgroundNotifier:
    """Accepts notifications from any thread and sends them from its own."""

    def __init__(self, notify: Callable[[str], None]) -> None:
        self._notify = notify
        self._wanted: set[str] = set()
        self._change = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
        self._thread.start()

    def notify(self, batch: str) -> None:
        """Notifies workers of a batch soon."""
        with self._change:
            self._wanted.add(batch)
            self._change.notify()

    def close(self) -> None:
        """Sends what is pending, and ends; does not wait for an unavailable broker."""
        with self._change:
            self._closing = True
            self._change.notify()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._wanted or self._closing)
                batches, self._wanted = self._wanted, set()
                closing = self._closing
            for batch in batches:
                try:
                    self._notify(batch)
                except LedgerUnavailableError as error:
                    log_event(NOTIFICATION_LOST, batch_id=batch, error=error)
            if closing:
                return
