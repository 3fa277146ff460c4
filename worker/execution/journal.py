"""What this worker has lately had recorded, for a Redis that may lose what it has answered."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from provisioning.ledger import Answered, Claim
from provisioning.lifecycle import Event

KEPT_SECONDS = 10.0
"""What `everysec` may lose are two seconds; what a replica lags behind by is not known, and mostly less."""

MOST = 20_000
"""Answers that are kept at most: some 40 MB."""


class Journal:
    """
    The answers of the last `KEPT_SECONDS`, oldest first.

    Attributes:
        on: whether they are kept; nothing need be where Redis loses nothing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.on = False
        self._clock = clock
        self._kept: deque[tuple[float, Claim, Answered]] = deque(maxlen=MOST)

    def add(self, job: Claim, answer: Answered) -> None:
        """Keeps an answer that is recorded. One that was refused, or was not sent, leaves nothing to lose."""
        if not self.on or answer.event is Event.REFUSED:
            return
        now = self._clock()
        self._kept.append((now, job, answer))
        while now - self._kept[0][0] > KEPT_SECONDS:
            self._kept.popleft()

    def rounds(self) -> list[list[tuple[Claim, Answered]]]:
        """What is kept: first the first answers of each job, then the second, and so on."""
        rounds: list[list[tuple[Claim, Answered]]] = []
        told: dict[str, int] = {}
        since = self._clock() - KEPT_SECONDS
        for at, job, answer in self._kept:
            if at < since:
                continue
            which = told.get(job.job_id, 0)
            told[job.job_id] = which + 1
            if which == len(rounds):
                rounds.append([])
            rounds[which].append((job, answer))
        return rounds
