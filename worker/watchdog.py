"""
The watchdog: a worker that is up but does nothing ends itself, so that its supervisor starts another.

`diagnose` is pure and decides; `Watchdog` is a thread that collects the signs of life and acts. An idle
worker is healthy, and so is one whose Redis is away: all of it waits, and ending it would help nobody.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from provisioning.log_events import WORKER_STUCK
from provisioning.logs import say

LIMIT = 30.0
"""Seconds without a sign of life after which a part is taken for stuck."""

TICK = 2.0
"""Seconds between looks."""

RECONNECT = 30.0
"""Seconds that Celery pauses at most between two tries to reach its broker (kombu's `interval_max`)."""

STUCK = 70
"""Exit code of a worker that its watchdog has ended (EX_SOFTWARE of sysexits.h)."""


@dataclass(slots=True)
class Signs:
    """
    Signs of life, as monotonic seconds of the last one; None for a part that gives none.

    Attributes:
        engine: its loop has turned.
        ledger: Redis has answered it.
        consumer: Celery's loop has turned.
        message: Celery has brought a message, or there was none to bring.
    """

    engine: float
    ledger: float
    message: float
    consumer: float | None = None

    def all_at(self, now: float) -> None:
        """Begins anew, as after a time in which the whole process was frozen."""
        self.engine = self.ledger = self.message = now
        if self.consumer is not None:
            self.consumer = now

    def reconnect_at(self, now: float) -> None:
        """Redis is away: once it is back, Celery has the longest of its pauses to notice."""
        self.message = now + RECONNECT
        if self.consumer is not None:
            self.consumer = now + RECONNECT


def diagnose(signs: Signs, now: float) -> str | None:
    """What is stuck, as a sentence; None if nothing is."""
    if now - signs.engine > LIMIT:
        return f"the engine's loop has not turned for {now - signs.engine:.0f} s"
    if now - signs.ledger > LIMIT:
        return None  # Redis is away, and Celery may be waiting for it
    if signs.consumer is not None and now - signs.consumer > LIMIT:
        return f"Celery's loop has not turned for {now - signs.consumer:.0f} s"
    if now - signs.message > LIMIT:
        return f"messages wait in the queue and none has come for {now - signs.message:.0f} s"
    return None


class Watchdog:
    """
    Looks after one worker process.

    Args:
        stop: stops the engine in good order; called if its loop still turns.
        end: ends the process with an exit code, whatever else runs in it.
    """

    def __init__(self, stop: Callable[[], None], *, end: Callable[[int], None] = os._exit) -> None:
        now = time.monotonic()
        self.signs = Signs(engine=now, ledger=now, message=now)
        self._stop = stop
        self._end = end
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self.signs.all_at(time.monotonic())
        self._thread.start()

    def rest(self) -> None:
        """Ends the looking: the worker is stopping in good order."""
        self._done.set()

    def _run(self) -> None:
        last = time.monotonic()
        while not self._done.wait(TICK):
            now = time.monotonic()
            if now - last > TICK * 3:
                self.signs.all_at(now)  # frozen, or starved: then everything was
            last = now
            if now - self.signs.ledger > TICK * 3:
                self.signs.reconnect_at(now)
            trouble = diagnose(self.signs, now)
            if trouble:
                say(WORKER_STUCK, trouble=trouble)
                if now - self.signs.engine <= LIMIT:
                    self._stop()
                self._end(STUCK)
