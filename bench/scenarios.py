"""What is asked of everybody: the API's manner, how many jobs, how many may be in flight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Scenario:
    """
    One kind of run.

    Attributes:
        latency: seconds from a POST to its answer.
        faults: share of the POSTs that are answered with a 500.
        in_flight: POSTs in flight in all; None for what suits the contender, as there is nothing to wait for.
        processes: worker processes, where the contender can use one process for many jobs.
        jobs: at most so many.
        seconds: a contender gets no more jobs than it does in about that time.
        bound: jobs/s that the API's latency and faults allow; None if they allow any number.
    """

    name: str
    title: str
    latency: float
    faults: float
    in_flight: int | None
    processes: int
    jobs: int
    seconds: float

    @property
    def bound(self) -> float | None:
        if not self.latency or not self.in_flight:
            return None
        return self.in_flight / self.latency * (1 - self.faults)

    @property
    def warm_up(self) -> int:
        """Jobs before the clock runs: connections are open then, and limits found."""
        return 4 * self.in_flight if self.in_flight else 600


NONE: Final = Scenario("none", "no latency, two worker processes", 0.0, 0.0, None, 2, 40_000, 7.0)
SLOW: Final = Scenario("200ms-100", "200 ms, 100 in flight", 0.2, 0.0, 100, 1, 3_000, 30.0)
MANY: Final = Scenario("200ms-500", "200 ms, 500 in flight in one process", 0.2, 0.0, 500, 1, 15_000, 30.0)
FAULTS: Final = Scenario("faults", "200 ms and 10% 500s, 100 in flight", 0.2, 0.1, 100, 1, 3_000, 30.0)

SCENARIOS: Final = {scenario.name: scenario for scenario in (NONE, SLOW, MANY, FAULTS)}

ENQUEUE: Final = "enqueue"
"""Not a run of workers: rows are handed over and left."""

WEATHER: Final = "weather"
"""Not one run but a table of them: see `bench.weather`."""
