"""
Decides when 429s show a rate limit, and not a problem of single rows: per credential and worker.

Pure: POSTs, their refusals and the time go in. The results of POSTs sent before a refused one are known, or
soon will be; of those sent after it they are not. So POSTs are counted up to the refused one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

SECONDS = 1.0
"""How far back refusals count together."""

POSTS = 20
"""So many of the last POSTs count together if a second has fewer."""

MARKS = 10
"""Times per second that the number of POSTs is recorded."""


@dataclass(frozen=True, slots=True)
class Burst:
    """
    Refusals that show a rate.

    Attributes:
        share: of the POSTs from the first of them to the last, how many were refused; 0 to 1.
        overall: the same of the POSTs since counting began.
        taken: POSTs in `seconds` before the last that were not refused.
        seconds: since the counts were restarted; without a stored rate, since about `SECONDS` ago at most.
        wait: the longest `Retry-After` among them, in seconds; 0 where there is none.
    """

    share: float
    overall: float
    taken: int
    seconds: float
    wait: float


class Refusals:
    """Counts the POSTs of one worker for one credential, and their refusals."""

    def __init__(self, now: float) -> None:
        self._sent = 0
        self._refused: deque[tuple[int, float, float]] = deque()  # number, when it was sent, Retry-After
        self._marks: deque[tuple[float, int]] = deque()
        self.begin_anew(now)

    def begin_anew(self, now: float) -> None:
        """Restarts the counts: POSTs before `now`, which may be in the future, do not count."""
        self._began, self._first, self._refusals = now, self._sent, 0
        self._refused.clear()
        self._marks.clear()

    @property
    def taken(self) -> int:
        """POSTs since counting began that were not refused."""
        return self._sent - self._first - self._refusals

    def seconds(self, now: float) -> float:
        """Seconds since the counts were restarted."""
        return max(0.0, now - self._began)

    def sent(self, now: float) -> int:
        """Counts a POST. Returns: its number, for `refused`."""
        if now < self._began:
            self._first = self._sent + 1
        elif not self._marks or now - self._marks[-1][0] >= SECONDS / MARKS:
            self._marks.append((now, self._sent))
        self._sent += 1
        return self._sent - 1

    def refused(
        self, number: int, sent_at: float, wait: float, *, least: int, share: float, paced: bool
    ) -> Burst | None:
        """
        Counts a refusal.

        Args:
            number, sent_at: of the POST.
            wait: seconds of its `Retry-After`; 0 for none.
            least, share: so many refusals within a second or `POSTS`, and that share of the POSTs since the
                first of them, show a rate.
            paced: a rate is stored already, so that all POSTs since the restart show the right one; else
                those of the last second do.

        Returns: the refusals that show a rate, if they do.
        """
        if number < self._first:
            return None
        self._refusals += 1
        self._refused.append((number, sent_at, wait))
        while self._refused[0][1] < sent_at - SECONDS and self._refused[0][0] <= number - POSTS:
            self._refused.popleft()
        met = len(self._refused) / max(1, 1 + number - self._refused[0][0])
        if len(self._refused) < least or met < share:
            return None
        if paced:
            taken, seconds = number + 1 - self._first - self._refusals, self.seconds(sent_at)
        else:
            taken, seconds = self._lately(number + 1, sent_at)
        overall = min(1.0, self._refusals / max(1, 1 + number - self._first))
        waits = max(wait for _, _, wait in self._refused)
        return Burst(min(1.0, met), overall, max(0, taken), seconds, waits)

    def lately(self, now: float) -> tuple[int, float]:
        """
        POSTs of about the last second that were not refused, none from before counting began; that time.
        """
        return self._lately(self._sent, now)

    def _lately(self, sent: int, now: float) -> tuple[int, float]:
        while len(self._marks) > 1 and self._marks[1][0] <= now - SECONDS:
            self._marks.popleft()
        began, first = self._marks[0] if self._marks else (now, sent)
        return max(0, sent - first - len(self._refused)), max(0.0, now - began)
