"""Counts of requests and answers, for the inspection views."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

RAW_ARRIVALS = 200_000
"""Most arrival times that are kept one by one: a minute at the highest rate of one process."""

SECONDS_KEPT = 100_000
"""Seconds of the histogram that are kept, a bit more than a day."""

CLIENTS_KEPT = 1_000
"""Most client ids that are counted by name; all others are counted together."""

OTHERS = "(others)"
NOBODY = "(none)"
"""A request without a readable Basic pair."""


@dataclass(slots=True)
class Last:
    """The last POST, unchanged; formatted only on request."""

    headers: list[tuple[str, str]]
    body: bytes


@dataclass(slots=True)
class Traffic:
    """Counters, all of them since the start or the last reset."""

    posts: int = 0
    misspelt_lists: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    connections: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    authorizations: Counter[str] = field(default_factory=Counter)
    by_second: dict[int, Counter[str]] = field(default_factory=dict)
    raw: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=RAW_ARRIVALS))

    def arrived(self, client: str | None, now: float) -> None:
        """
        Count a POST.

        Args:
            client: the id in its header, verified or not; None if there is none.
            now: Unix seconds.
        """
        self.posts += 1
        name = NOBODY if client is None else client
        if name not in self.authorizations and len(self.authorizations) >= CLIENTS_KEPT:
            name = OTHERS
        self.authorizations[name] += 1
        self.raw.append((now, name))
        second = int(now)
        counts = self.by_second.get(second)
        if counts is None:
            counts = self.by_second[second] = Counter()
            if len(self.by_second) > SECONDS_KEPT:
                del self.by_second[next(iter(self.by_second))]
        counts[name] += 1

    def entered(self) -> None:
        """Count the start of a POST."""
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)

    def left(self) -> None:
        """Count the end of a POST, with success or not."""
        self.in_flight -= 1

    def histogram(self) -> dict[str, object]:
        """Arrivals as [unix second, count], overall and per client id."""
        clients: dict[str, list[list[int]]] = {}
        for second, counts in self.by_second.items():
            for name, count in counts.items():
                clients.setdefault(name, []).append([second, count])
        return {
            "overall": [[second, counts.total()] for second, counts in self.by_second.items()],
            "clients": clients,
        }

    def milliseconds(self) -> list[list[object]]:
        """The latest arrivals one by one, as [unix milliseconds, client id]."""
        return [[round(now * 1000, 3), name] for now, name in self.raw]
