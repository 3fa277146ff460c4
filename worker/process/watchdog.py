"""
The watchdog: ends a worker that runs but makes no progress, so that its supervisor starts another.

`diagnose` (in `provisioning.health.liveness`) decides; `Watchdog` is a thread that collects the signs of life
and acts.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from provisioning.health.liveness import LIMIT, Liveness, diagnose
from provisioning.observability.log_events import WORKER_STUCK
from provisioning.observability.logs import log_event

TICK = 2.0
"""Seconds between checks."""

STUCK = 70
"""Exit code of a worker that its watchdog has ended (EX_SOFTWARE of sysexits.h)."""


class Watchdog:
    """
    Watches one worker process.

    Args:
        stop: stops the engine gracefully; called if its loop still runs.
        end: ends the process with an exit code, whatever else runs in it.
    """

    def __init__(self, stop: Callable[[], None], *, end: Callable[[int], None] = os._exit) -> None:
        now = time.monotonic()
        self.signs = Liveness(engine=now, ledger=now, message=now)
        self._stop = stop
        self._end = end
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Starts to check."""
        self.signs.all_at(time.monotonic())
        self._thread.start()

    def rest(self) -> None:
        """Ends the checks: the worker is stopping normally."""
        self._done.set()

    def _run(self) -> None:
        last = time.monotonic()
        while not self._done.wait(TICK):
            now = time.monotonic()
            if now - last > TICK * 3:
                self.signs.all_at(now)  # this process was frozen or starved, so all of its parts were
            last = now
            if now - self.signs.ledger > TICK * 3:
                self.signs.reconnect_at(now)
            trouble = diagnose(self.signs, now)
            if trouble:
                log_event(WORKER_STUCK, trouble=trouble)
                if now - self.signs.engine <= LIMIT:
                    self._stop()
                self._end(STUCK)
