"""
What a worker does during a suspected outage: it holds rows, sends probes, and resumes when one is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Protocol

from provisioning.ledger import Outage
from worker.classification import Classification
from worker.events.telemetry import TargetLost, TargetRecovered, TargetSuspected, Telemetry
from worker.flow.credential_queue import ConcurrencySlots
from worker.flow.failure_detector import FailureDetector, Suspicion

HANDED_BACK = "api_down"
"""Reason of a job that returned to the queue because the API is down."""


class Rows(Protocol):
    """The interface that probing needs of the engine."""

    async def send_probes(self, count: int) -> int:
        """
        Claims up to `count` rows that were never sent and sends each as a probe. Returns: how many it found.
        """

    async def hand_back(self, reason: str) -> int:
        """Returns the rows that are not being sent to the queue. Returns: how many."""

    def go_on(self) -> None:
        """Continues to claim."""


class Probing:
    """
    Keeps the slots closed while the target is suspected to be down.

    Claimed jobs are kept while an outage is only suspected: most suspicions end with the first probe. Once it
    is certain, every job that is not being sent returns to the queue for other workers; perhaps only this one
    cannot reach the target.
    """

    def __init__(self, slots: ConcurrencySlots, rows: Rows, telemetry: Telemetry) -> None:
        self.detector = FailureDetector()
        self._slots = slots
        self._rows = rows
        self._telemetry = telemetry
        self._changed = asyncio.Event()
        self._published = Suspicion.NONE

    def see(self, classified: Classification, *, fresh: bool, sent_at: float) -> None:
        """Adds the result of a POST; `sent_at` in monotonic seconds."""
        if classified.alive is None:
            return
        now = time.monotonic()
        self.detector.see(
            alive=classified.alive, fresh=fresh, sent_at=sent_at, now=now, cause=classified.cause
        )
        self._follow()

    def probe_ended(self, *, failed: bool) -> None:
        """Records that a probe has ended, or was not sent."""
        self.detector.probe_ended(failed=failed)
        self._follow()

    def outage(self, unix_now: float) -> Outage | None:
        """
        The suspected outage, for display; None if there is none. Only values are read: any thread may call.
        """
        detector, ahead = self.detector, unix_now - time.monotonic()
        if not detector.suspicion_stands:
            return None
        return Outage(
            certain=detector.suspicion is Suspicion.CERTAIN,
            since=round(detector.since + ahead, 3),
            cause=detector.cause,
            next_probe=round(detector.next_probe + ahead, 3),
        )

    async def step(self) -> None:
        """Sends probes if they are due, else waits until they are."""
        self._changed.clear()
        now = time.monotonic()
        if count := self.detector.probes_due(now):
            await self._send(count)
        elif self.detector.suspicion_stands:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self.detector.next_probe - now)):
                    await self._changed.wait()
        else:
            await self._changed.wait()

    async def _send(self, count: int) -> None:
        found = 0
        try:
            if self.detector.suspicion is Suspicion.CERTAIN:
                await self._rows.hand_back(HANDED_BACK)
            found = await self._rows.send_probes(count)
            if not found and await self._rows.hand_back(HANDED_BACK):
                found = await self._rows.send_probes(count)
            if not found and not self.detector.probes_out:
                self.detector.nobody_to_ask()
                self._follow()
        finally:
            self.detector.probes_sent(found, time.monotonic())

    def _follow(self) -> None:
        """Acts on a change of the suspicion."""
        now, before = self.detector.suspicion, self._published
        if now is before:
            return
        self._published = now
        self._changed.set()
        self._slots.closed = now is not Suspicion.NONE
        if now is Suspicion.SUSPECTED:
            self._telemetry.publish(TargetSuspected(self.detector.cause))
        elif now is Suspicion.CERTAIN:
            self._telemetry.publish(TargetLost(self.detector.cause))
        else:
            self._telemetry.publish(TargetRecovered(time.monotonic() - self.detector.since))
            if before is Suspicion.CERTAIN:
                self._slots.limit.begin_anew()
            self._slots.move()
            self._rows.go_on()
