"""
Signs of life of a worker, and what they mean: values only, read by its watchdog and by health probes.

An idle worker is healthy, and so is one that a brake or a pause holds, or whose Redis or broker is away:
all of them wait, and ending one would help nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

LIMIT = 30.0
"""Seconds without a sign of life after which a worker takes a part of itself for stuck, and ends."""

PROBE_LIMIT = 20.0
"""The same as a probe has it: with a probe every 10 s, a stuck part is seen within 30."""

LEDGER_LIMIT = 10.0
"""Seconds without an answer of Redis after which a worker is not ready: it asks every second."""

ALIVE_WITHIN = 10.0
"""Seconds since its last sign in the ledger within which a worker is alive: it gives one a second."""

RECONNECT = 30.0
"""Seconds that Celery pauses at most between two tries to reach its broker (kombu's `interval_max`)."""


@dataclass(slots=True)
class Liveness:
    """
    Signs of life, as monotonic seconds of the last one; None for a part that gives none.

    Attributes:
        engine: its loop has turned.
        ledger: Redis has answered it.
        consumer: Celery's loop has turned, or it waits for its broker.
        message: Celery has brought a message, or there was none to bring.
        looked: Redis has answered at all since the start.
    """

    engine: float
    ledger: float
    message: float
    consumer: float | None = None
    looked: bool = False

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


def diagnose(signs: Liveness, now: float, limit: float = LIMIT) -> str | None:
    """What is stuck, as a sentence; None if nothing is."""
    if now - signs.engine > limit:
        return f"the engine's loop has not turned for {now - signs.engine:.0f} s"
    if now - signs.ledger > limit:
        return None  # Redis is away, and Celery may be waiting for it
    if signs.consumer is not None and now - signs.consumer > limit:
        return f"Celery's loop has not turned for {now - signs.consumer:.0f} s"
    if now - signs.message > limit:
        return f"messages wait in the queue and none has come for {now - signs.message:.0f} s"
    return None
