"""
A budget for retries, so that they cannot double the load of an API that is failing.

Pure. Every first attempt pays in a fifth of a retry, a trickle flows in besides, and a retry that finds
nothing waits until it can be paid for. A retry that is served is paid back: only those that fail cost.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SHARE = 0.2
"""Retries per first attempt in the long run."""

TRICKLE = 10.0
"""Retries per second that are always allowed, so that the tail of a batch is not held up."""

SAVED = 10.0
"""Seconds of either that are saved up at most."""


@dataclass(slots=True)
class RetryBudget:
    """
    The budget of one target on one worker.

    Source: Finagle's RetryBudget (percentCanRetry 0.2, minRetriesPerSec 10, ttl 10 s); Envoy's
        `retry_budget`; the retry quota of the AWS SDKs, which takes back what a retry cost that succeeds.
    """

    balance: float = field(default=TRICKLE, init=False)
    _at: float | None = field(default=None, init=False)
    _recent: float = field(default=0.0, init=False)  # first attempts a second, smoothed over SAVED

    def first_attempt(self, now: float) -> None:
        """Pays in for a first attempt. `now` in monotonic seconds."""
        self._flow(now)
        self._recent += 1 / SAVED
        self.balance = min(self.balance + SHARE, self._most)

    def served(self, now: float) -> None:
        """
        Pays a retry back that was served: an API that recovers is not kept waiting for the backlog.

        Without it an API that fails three in ten would fill a worker with retries, and be left idle.
        """
        self._flow(now)
        self.balance = min(self.balance + 1, self._most)

    def wait(self, now: float) -> float:
        """
        Takes one retry out of the budget, or says how long to wait before asking again.

        Returns: 0 if it is paid for; seconds otherwise.
        """
        self._flow(now)
        if self.balance >= 1:
            self.balance -= 1
            return 0.0
        return (1 - self.balance) / TRICKLE

    @property
    def _most(self) -> float:
        return SAVED * (TRICKLE + SHARE * self._recent)

    def _flow(self, now: float) -> None:
        passed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now
        self._recent *= max(0.0, 1 - passed / SAVED)
        self.balance = min(self.balance + TRICKLE * passed, self._most)
