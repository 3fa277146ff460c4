"""What this worker has lately had recorded, for a Redis that may lose what it has answered."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from provisioning.ledger import Answered, Claim

KEPT_SECONDS = 10.0
"""What `everysec` may lose are two seconds; what a replica lags behind by is not known, and mostly less."""

MOST = 20_000
"""Answers that are kept at most: some 40 MB."""


class Journal:
    """
    The answers of the last `KEPT_SECONDS` in which Redis has answered, oldest first.

    Attributes:
        on: whether they are kept; nothing need be where Redis loses nothing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.on = False
        self._clock = clock
        self._answers: deque[tuple[float, Claim, Answered]] = deque(maxlen=MOST)

    def add(self, job: Claim, answer: Answered) -> None:
        """Keeps an answer that is recorded."""
        if not self.on:
            return
        self._answers.append((self._clock(), job, answer))
        self.forget()

    def forget(self) -> None:
        """Lets go of what is older, as Redis has just answered: it may be away for longer than that."""
        since = self._clock() - KEPT_SECONDS
        while self._answers and self._answers[0][0] < since:
            self._answers.popleft()

    def take(self) -> list[list[tuple[Claim, Answered]]]:
        """What is kept, to be told and added again: first the first answers of each job, and so on."""
        answers, self._answers = self._answers, deque(maxlen=MOST)
        rounds: list[list[tuple[Claim, Answered]]] = []
        seen: dict[str, int] = {}
        for _, job, answer in answers:
            which = seen.get(job.job_id, 0)
            seen[job.job_id] = which + 1
            if which == len(rounds):
                rounds.append([])
            rounds[which].append((job, answer))
        return rounds
