"""
How many POSTs the API can stand at once, found out from its answers.

Pure: answers and the time go in, a limit comes out. Additive increase, multiplicative decrease, with a
slow start; latency that rises counts as a sign like a refusal does, only milder.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FIRST = 32
"""Limit of a worker that knows nothing yet; with the slow start it has passed 500 after four windows."""

FLOOR = 1
"""An API that refuses everything is asked by one at a time, and braked by `outage`."""

WINDOW = 0.1
"""Seconds over which answers are judged together, or the usual latency if that is longer."""

BACK_OFF = 0.7
"""What is left of the limit after a window with a refusal or a time-out."""

EASE_OFF = 0.9
"""What is left of it after a window in which the answers were markedly slower than usual."""

TOLERANCE = 2.0
"""How much slower than usual is markedly slower."""

GRACE_SECONDS = 0.05
"""Slower by less than this is no sign: on a quick API it is our own doing."""

MEMORY = 0.05
"""Weight of a new window in the usual latency when it is slower; a quicker one counts at once."""


@dataclass(slots=True)
class ConcurrencyLimit:
    """
    The limit of one target on one worker.

    Args:
        most: it never grows beyond (`PROVISION_MAX_IN_FLIGHT`).

    Source: additive increase, multiplicative decrease as in RFC 5681; latency as a sign as in TCP Vegas and
        Netflix' concurrency-limits (Gradient2).
    """

    most: int
    limit: float = field(init=False)
    usual: float = field(default=0.0, init=False)
    _slow_start: bool = field(default=True, init=False)
    _began: float = field(default=0.0, init=False)
    _answers: int = field(default=0, init=False)
    _seconds: float = field(default=0.0, init=False)
    _pushed_back: bool = field(default=False, init=False)
    _used: int = field(default=0, init=False)
    _deaf_until: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.limit = float(min(FIRST, self.most))

    @property
    def whole(self) -> int:
        """The limit as a number of POSTs."""
        return int(self.limit)

    def see(self, now: float, seconds: float, *, pushed_back: bool, in_flight: int) -> None:
        """
        Takes one answer into account.

        Args:
            now: monotonic seconds.
            seconds: how long the answer took.
            pushed_back: it was a 429, a 503, a time-out or a broken connection.
            in_flight: POSTs in flight when it came, this one included.
        """
        if self._answers == 0:
            self._began = now
        self._answers += 1
        self._seconds += seconds
        self._pushed_back |= pushed_back
        self._used = max(self._used, in_flight)
        window = max(WINDOW, min(self.usual, 1.0))
        if now - self._began >= window or (pushed_back and now >= self._deaf_until):
            self._judge(now)
            if pushed_back:
                # What was sent before the step back says nothing of how it went: one step a round.
                self._deaf_until = now + window

    def _judge(self, now: float) -> None:
        latency = self._seconds / self._answers
        if self._pushed_back:
            if now >= self._deaf_until:
                self.limit *= BACK_OFF
            self._slow_start = False
        elif self.usual and latency > TOLERANCE * self.usual and latency > self.usual + GRACE_SECONDS:
            self.limit *= EASE_OFF
            self._slow_start = False
        elif self._used >= self.whole * 0.8:  # a limit that is not used has not been tried
            self.limit = self.limit * 2 if self._slow_start else self.limit + max(1.0, self.limit**0.5)
        self.limit = max(float(FLOOR), min(float(self.most), self.limit))
        if not self._pushed_back:
            slower = self.usual and latency > self.usual
            self.usual = self.usual + MEMORY * (latency - self.usual) if slower else latency
        self._answers, self._seconds, self._pushed_back, self._used = 0, 0.0, False, 0
