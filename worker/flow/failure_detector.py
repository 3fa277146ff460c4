"""
Distinguishes an outage of the API from rows that fail.

Pure: answers and the time go in; whether rows may be sent, and when the next probes are due, comes out. The
failure of one row may be caused by that row. So only the results of *fresh* rows count, those that were
never sent before; repeated failures of the same row prove nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil, log

BAD_LUCK = 0.5
"""Share of fresh rows that fail while the API works badly."""

DOWN = 0.99
"""Share of them that fail while it is down."""

FALSE_ALARM = 0.005
"""Probability of a false suspicion; it costs one round of probes."""

STEP = log(DOWN / BAD_LUCK)
BACK = log((1 - BAD_LUCK) / (1 - DOWN))
ENOUGH = log((1 - FALSE_ALARM) / FALSE_ALARM)

FAILURES = ceil(ENOUGH / STEP)
"""Consecutive failures of fresh rows that raise a suspicion."""

PROBES = 2
"""Rows that are sent at once as probes while an outage is suspected."""

MOST_PROBES = 4
"""Most probes without an answer: in an API that hangs, each may leave its row in doubt."""

SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two rounds of probes; the first is sent at once."""

PART = 0.15
"""Between those bounds the pause is this part of the outage so far: so late is its end detected."""


class Suspicion(StrEnum):
    """A worker's suspicion of its target."""

    NONE = "none"
    SUSPECTED = "suspected"
    CERTAIN = "certain"


@dataclass(slots=True)
class FailureDetector:
    """
    Whether the target is down, from the answers of one worker.

    Attributes:
        suspicion: while there is one, only probes are sent.
        since: monotonic time of the first failure that led to it.
        next_probe: monotonic time of the next round of probes.
        cause: of the last failure, as one word.

    Source: Wald's sequential probability ratio test on first attempts, restarted whenever it reaches zero
        (Page's CUSUM).
    """

    suspicion: Suspicion = field(default=Suspicion.NONE, init=False)
    since: float = field(default=0.0, init=False)
    next_probe: float = field(default=0.0, init=False)
    cause: str = field(default="", init=False)
    probes_out: int = field(default=0, init=False)
    _score: float = field(default=0.0, init=False)
    _sent: float = field(default=0.0, init=False)

    def see(self, *, alive: bool, fresh: bool, sent_at: float, now: float, cause: str = "") -> None:
        """
        Adds one answer, or the lack of one.

        Args:
            alive: it proves that the API works, whatever it answers to the row.
            fresh: the row had never been sent before.
            sent_at: monotonic time at which it was sent. An answer to what was sent before the first failure
                proves nothing of the time after it.
            cause: of a failure, as one word.
        """
        if alive:
            if self._score and sent_at >= self._sent:
                self._score = 0.0 if self.suspicion_stands else max(0.0, self._score - BACK)
                self.suspicion = Suspicion.NONE
        elif fresh:
            if not self._score:
                self.since, self._sent = now, sent_at
            self._score = min(self._score + STEP, ENOUGH + STEP)
            self.cause = cause
            if self._score >= ENOUGH and not self.suspicion_stands:
                self.suspicion = Suspicion.SUSPECTED
                self.next_probe = now

    @property
    def suspicion_stands(self) -> bool:
        """Whether rows other than probes must wait."""
        return self.suspicion is not Suspicion.NONE

    def probes_due(self, now: float) -> int:
        """Rows to send now as probes."""
        if not self.suspicion_stands or now < self.next_probe:
            return 0
        return max(0, min(PROBES, MOST_PROBES - self.probes_out))

    def probes_sent(self, count: int, now: float) -> None:
        """Records that so many probes were sent; each must end with `probe_ended`."""
        self.probes_out += count
        self.next_probe = now + min(max(SHORTEST_PAUSE, PART * (now - self.since)), LONGEST_PAUSE)

    def probe_ended(self, *, failed: bool) -> None:
        """Records the end of a probe; `failed` if it failed like the rows before it, not if unsent."""
        self.probes_out -= 1
        if failed and self.suspicion_stands:
            self.suspicion = Suspicion.CERTAIN

    def nobody_to_ask(self) -> None:
        """No fresh row is left: the other rows are sent and use up their attempts; no probe is possible."""
        self._score = 0.0
        self.suspicion = Suspicion.NONE
