"""
The concurrency limit: how many POSTs the API can handle at once, learned from its answers.

Pure: answers and the time go in, a limit comes out. It depends on the *share* of answers that push back,
never on single ones, and a decrease that loses more answers than it saves is undone: concurrency is not
reduced for an API that refuses one in five at any rate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

FIRST = 32
"""Limit of a worker at its start."""

FLOOR = 1
"""The lowest limit: if the API refuses everything, one POST at a time is sent."""

WINDOW = 0.1
"""Seconds over which answers are evaluated together, or the usual latency if that is longer, up to one."""

GROWTH = 1.5
"""Factor of the limit's growth in a window at first, and in a trial."""

WEIGHT = 0.25
"""Weight of a new window in the share of answers that push back."""

NOTICED = 0.02
"""Share of answers that push back from which every step is a trial: a smaller share is normal."""

LEAST_STEP = 0.1
"""Smallest part of the limit that a trial removes: the effect of less could be chance."""

PAYS = 0.5
"""A trial succeeds if goodput follows the limit by at least this part of its change."""

LONGEST_REST = 16
"""Most windows between two trials; doubled after each that is undone."""

EASE_OFF = 0.9
"""Factor of the limit after a window in which the answers were much slower than usual."""

TOLERANCE = 2.0
"""Factor of the usual latency from which answers are much slower."""

GRACE_SECONDS = 0.05
"""Seconds; a smaller increase is ignored: on a fast API this worker itself may cause it."""

MEMORY = 0.05
"""Weight of a new window in the usual latency when it is slower; a faster one counts at once."""


@dataclass(slots=True)
class ConcurrencyLimit:
    """
    The limit of one target on one worker.

    While few answers push back it grows, by half in each window and then by its square root. From a share of
    `NOTICED` that push back, each step is a trial: down by half that share, or up. A step down is kept if
    goodput (answers that do not push back, per second) does not fall, a step up if goodput rises.

    Its attributes, more than a dozen, are the state of one control loop and belong together.

    Args:
        most: the highest limit (`PROVISION_MAX_IN_FLIGHT`).

    Attributes:
        share: of the answers that push back, smoothed; 0 to 1.

    Source: the decrease in proportion to the share of marked answers, Data Center TCP (RFC 8257 §3.3); steps
        judged by their goodput, PCC (Dong et al., NSDI 2015); the increase by the square root, and latency
        as a signal, Netflix' concurrency-limits and TCP Vegas. Latency is a window's median: a few slow
        answers are not a slow API.
    """

    most: int
    limit: float = field(init=False)
    share: float = field(default=0.0, init=False)
    usual: float = field(default=0.0, init=False)
    _slow_start: bool = field(default=True, init=False)
    _began: float = field(default=0.0, init=False)
    _answers: int = field(default=0, init=False)
    _latencies: list[float] = field(default_factory=list, init=False)  # of those that do not push back
    _used: int = field(default=0, init=False)
    # The limit and the goodput before the trial under way; None between trials.
    _before: tuple[float, float] | None = field(default=None, init=False)
    _settling: bool = field(default=False, init=False)  # answers to earlier POSTs are still expected
    _up: bool = field(default=True, init=False)
    _rest: int = field(default=1, init=False)
    _resting: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.limit = float(min(FIRST, self.most))

    @property
    def whole(self) -> int:
        """The limit as a number of POSTs."""
        return int(self.limit)

    def see(self, now: float, seconds: float, *, pushed_back: bool, in_flight: int) -> None:
        """
        Adds one answer.

        Args:
            now: monotonic seconds.
            seconds: how long the answer took.
            pushed_back: it was a 429, a 503, a time-out or a broken connection.
            in_flight: POSTs in flight when it arrived, this one included.
        """
        if not self._answers:
            self._began = now
        self._answers += 1
        if not pushed_back:
            self._latencies.append(seconds)
        self._used = max(self._used, in_flight)
        if now - self._began >= max(WINDOW, min(self.usual, 1.0)):
            self._judge(now - self._began)

    def begin_anew(self) -> None:
        """Starts again low after an outage, or a time with nothing in flight; grows as at the start."""
        self.limit = min(self.limit, float(FIRST))
        self.share, self._slow_start, self._before, self._resting = 0.0, True, None, 0

    def _judge(self, seconds: float) -> None:
        used, served = self._used >= self.whole * 0.8, len(self._latencies)
        share = 1 - served / self._answers
        self.share += WEIGHT * (share - self.share)
        if self._markedly_slower():
            self._slow_start, self._before = False, None
            self.limit *= EASE_OFF
        elif share >= NOTICED or self._before:
            self._try(served / seconds, share, used=used)
        elif used:  # a limit that is not reached has not been tested
            self.limit = self.limit * GROWTH if self._slow_start else self.limit + max(1.0, self.limit**0.5)
        self.limit = max(float(FLOOR), min(float(self.most), self.limit))
        self._answers, self._used = 0, 0
        self._latencies.clear()

    def _markedly_slower(self) -> bool:
        """Whether answers took much longer than usual; updates the usual latency."""
        if not self._latencies:
            return False
        latency, usual = median(self._latencies), self.usual
        slower = bool(usual) and latency > usual
        self.usual = usual + MEMORY * (latency - usual) if slower else latency
        return slower and latency > max(TOLERANCE * usual, usual + GRACE_SECONDS)

    def _try(self, goodput: float, share: float, *, used: bool) -> None:
        """Evaluates the current trial, if there is one, and starts the next."""
        if self._settling:
            self._settling = False
            return
        if self._before:
            limit, before = self._before
            self._before = None
            follows = (goodput / before - 1) / (self.limit / limit - 1) >= PAYS
            if follows is self._up:
                self._rest = 1
            else:
                self.limit, self._up, self._settling, self._slow_start = limit, not self._up, True, False
                self._resting, self._rest = self._rest, min(2 * self._rest, LONGEST_REST)
                return
        elif self._resting:
            self._resting -= 1
            return
        if share < NOTICED:
            return
        if not goodput:
            self.limit, self._slow_start = self.limit * (1 - self.share / 2), False  # nothing to lose
            return
        self._up = self.limit <= FLOOR or (self._up and used and self.limit < self.most)
        before = self.limit
        step = (
            max(before * GROWTH, before + 1) if self._up else before * (1 - max(self.share / 2, LEAST_STEP))
        )
        self.limit = max(float(FLOOR), min(float(self.most), step))
        if self.limit != before:
            self._before, self._settling = (before, goodput), True
