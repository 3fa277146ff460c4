"""
Liveness of a worker's parts: values only, read by its watchdog and by health probes.

An idle worker is healthy, and so is one that is held by a brake or a pause, or whose Redis or broker is
unavailable: all of them wait, and a restart would not help.
"""

from __future__ import annotations

from dataclasses import dataclass

LIMIT = 30.0
"""Seconds without progress after which a worker takes a part of itself for stuck, and ends."""

PROBE_LIMIT = 20.0
"""The same for a probe: with a probe every 10 s, a stuck part is found within 30."""

LEDGER_LIMIT = 10.0
"""Seconds without an answer of Redis after which a worker is not ready: it calls Redis every second."""

ALIVE_WITHIN = 10.0
"""Seconds since its last entry in the ledger within which a worker is alive: it writes one a second."""

RECONNECT = 30.0
"""Longest pause of Celery between two attempts to reach its broker (kombu's `interval_max`), in seconds."""


@dataclass(slots=True)
class Liveness:
    """
    Monotonic seconds of the last progress of each part; None for a part that reports none.

    Attributes:
        engine: its loop has run.
        ledger: Redis has answered it.
        consumer: Celery's loop has run, or it waits for its broker.
        message: Celery has delivered a message, or there was none.
        looked: Redis has answered at all since the start.
    """

    engine: float
    ledger: float
    message: float
    consumer: float | None = None
    looked: bool = False

    def all_at(self, now: float) -> None:
        """Resets all times, as after a time in which the whole process was frozen."""
        self.engine = self.ledger = self.message = now
        if self.consumer is not None:
            self.consumer = now

    def reconnect_at(self, now: float) -> None:
        """Redis is unavailable: when it is back, Celery may need its longest pause to notice."""
        self.message = now + RECONNECT
        if self.consumer is not None:
            self.consumer = now + RECONNECT


def diagnose(signs: Liveness, now: float, limit: float = LIMIT) -> str | None:
    """The part that is stuck, as a sentence; None if none is."""
    if now - signs.engine > limit:
        return f"the engine's loop has not turned for {now - signs.engine:.0f} s"
    if now - signs.ledger > limit:
        return None  # Redis is unavailable, and Celery may be waiting for it
    if signs.consumer is not None and now - signs.consumer > limit:
        return f"Celery's loop has not turned for {now - signs.consumer:.0f} s"
    if now - signs.message > limit:
        return f"messages wait in the queue and none has come for {now - signs.message:.0f} s"
    return None
