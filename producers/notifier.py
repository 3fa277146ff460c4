"""
Rings without making anybody wait: a thread of its own, and each batch once however often it is asked for.

A ring that is lost costs a second: every worker looks for unrung batches by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from provisioning.errors import LedgerUnavailableError
from provisioning.observability.log_events import NOTIFICATION_LOST
from provisioning.observability.logs import log_event


class BackgroundNotifier:
    """Takes wishes to ring from any thread and rings from one of its own."""

    def __init__(self, notify: Callable[[str], None]) -> None:
        self._notify = notify
        self._wanted: set[str] = set()
        self._change = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="ringer", daemon=True)
        self._thread.start()

    def notify(self, batch: str) -> None:
        """Has a batch rung for soon."""
        with self._change:
            self._wanted.add(batch)
            self._change.notify()

    def close(self) -> None:
        """Rings for what is wanted still, and ends; a broker that is away is not waited for."""
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
