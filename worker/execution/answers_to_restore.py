"""The answers that this worker has recorded recently, to restore them if Redis loses acknowledged writes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from provisioning.ledger import Answered, Claim

KEPT_SECONDS = 10.0
"""`appendfsync everysec` may lose two seconds; a replica may lag further, but rarely ten."""

MOST = 20_000
"""Most answers that are kept: some 40 MB."""


class AnswersToRestore:
    """
    The answers of the last `KEPT_SECONDS` before Redis' latest reply, oldest first.

    Attributes:
        on: whether they are kept; not necessary if Redis loses nothing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.on = False
        self._clock = clock
        self._answers: deque[tuple[float, Claim, Answered]] = deque(maxlen=MOST)

    def add(self, job: Claim, answer: Answered) -> None:
        """Keeps a recorded answer."""
        if not self.on:
            return
        self._answers.append((self._clock(), job, answer))
        self.drop_old()

    def drop_old(self) -> None:
        """Drops older answers. Call it when Redis has just answered: it may be unavailable for longer."""
        since = self._clock() - KEPT_SECONDS
        while self._answers and self._answers[0][0] < since:
            self._answers.popleft()

    def take(self) -> list[list[tuple[Claim, Answered]]]:
        """Removes and returns the answers, to be sent and added again: the first answer of each job first."""
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
