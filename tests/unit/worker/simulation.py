"""
Rows, workers, a ledger and an API in virtual time, steered by the pure parts that decide.

What the ledger and the engine do is modelled: claims in order, waiting rows by when they are due, probes from
anywhere among the rows never sent, hand-back once an outage is certain, and a worker that dies.
"""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field
from typing import Literal

from provisioning.attempt import Outcome
from worker.classification import Classification
from worker.execution.policy import Defer, Finish, Retry, RetryPolicy, decide, next_delay
from worker.flow.concurrency_limit import ConcurrencyLimit
from worker.flow.failure_detector import FailureDetector, Suspicion

MOST = 100
LEASE = 30.0
HANG = 5.0
POLICY = RetryPolicy()


@dataclass(frozen=True)
class Weather:
    """What the API is like; all of it follows from the seed."""

    seed: int
    rows: int
    workers: int
    latency: float
    failures: dict[int, int]  # how often a row is answered 500 or 503 before it is created
    failure: Literal["envelope", "page"]
    outage: tuple[float, float] | None
    down: Literal["page", "refused", "hang"]
    slow: float
    dies_at: float | None

    @property
    def looks_down_for_ever(self) -> bool:
        """Whether no row is ever answered by the API itself: that is an outage, whatever its cause."""
        return self.failure == "page" and len(self.failures) == self.rows and 99 in self.failures.values()

    def is_down(self, now: float) -> bool:
        return self.outage is not None and self.outage[0] <= now < self.outage[1]


def weather(seed: int, *, outage: bool) -> Weather:
    """A weather drawn by `seed`, with an outage or without."""
    draw = random.Random(f"weather {seed}")
    rows = draw.choice([1, 5, 60, 360, 800])
    many = int(rows * draw.choice([0.0, 0.01, 0.03, 0.1, 0.3, 1.0]))
    place = draw.choice(["first", "last", "scattered"])
    bad = {
        "first": list(range(many)),
        "last": list(range(rows - many, rows)),
        "scattered": draw.sample(range(rows), many),
    }[place]
    often = draw.choice([1, 2, 99])
    start = draw.uniform(0.0, 3.0)
    workers = draw.choice([1, 2, 3])
    return Weather(
        seed=seed,
        rows=rows,
        workers=workers,
        latency=draw.choice([0.05, 0.2, 1.0]),
        failures=dict.fromkeys(bad, often),
        failure=draw.choice(["envelope", "page"]),
        outage=(start, start + draw.choice([1.0, 10.0, 60.0])) if outage else None,
        down=draw.choice(["page", "refused", "hang"]),
        slow=draw.choice([0.0, 0.0, 0.02]),
        dies_at=draw.uniform(0.0, 5.0) if outage and workers > 1 and draw.random() < 0.3 else None,
    )


@dataclass
class Row:
    number: int
    posts: int = 0
    answered: int = 0
    spent: float = 0.0
    most: int = 0
    ended: float | None = None
    state: Literal["open", "created", "dead", "in_doubt"] = "open"
    owner: int | None = None
    due: float = 0.0


@dataclass
class Worker:
    name: int
    limit: ConcurrencyLimit = field(default_factory=lambda: ConcurrencyLimit(MOST))
    detector: FailureDetector = field(default_factory=FailureDetector)
    ready: list[Row] = field(default_factory=list)  # claimed, waiting for a turn
    in_flight: dict[int, bool] = field(default_factory=dict)  # row -> whether it is a probe
    before: Suspicion = Suspicion.NONE
    dead: bool = False


class Api:
    """Answers by the weather."""

    def __init__(self, weather: Weather) -> None:
        self.weather = weather

    def answer(self, row: Row, now: float) -> tuple[float, Classification]:
        """Returns: seconds until the answer, and what it means."""
        weather = self.weather
        if weather.is_down(now):
            if weather.down == "hang":
                return HANG, Classification(Outcome.IN_DOUBT, "read_timeout", alive=False)
            if weather.down == "refused":
                return 0.002, Classification(Outcome.UNPROCESSED, "not_connected", alive=False)
            return 0.01, Classification(Outcome.FAILED, "http_503", alive=False)
        # The same row and attempt takes as long in every run, whatever order rows come in.
        draw = random.Random(f"{weather.seed} {row.number} {row.posts}")
        seconds = 5.0 if draw.random() < weather.slow else weather.latency * draw.uniform(0.8, 1.2)
        if row.posts <= weather.failures.get(row.number, 0):
            alive = weather.failure == "envelope"
            return seconds, Classification(Outcome.FAILED, "http_500" if alive else "http_503", alive=alive)
        return seconds, Classification(Outcome.CREATED, alive=True)


@dataclass
class Came:
    """What came of a run."""

    rows: list[Row]
    posts_down: int = 0  # in the outage, while a row was left that was never sent

    @property
    def seconds(self) -> float:
        return max(row.ended or 0.0 for row in self.rows)


class Simulation:
    """One run of the program through a weather."""

    def __init__(self, weather: Weather) -> None:
        self.weather, self.api = weather, Api(weather)
        self.draw = random.Random(f"run {weather.seed}")
        self.rows = [Row(n) for n in range(weather.rows)]
        self.queue = list(self.rows)  # ready in the ledger, in order
        self.workers = [Worker(n) for n in range(weather.workers)]
        self.came = Came(self.rows)
        self.now, self._order = 0.0, itertools.count()
        self._events: list[tuple[float, int, str, int, Row | None, Classification | None, float]] = []
        self.left = weather.rows

    def run(self, until: float) -> Came:
        """Goes on until every row has ended, or `until`."""
        for worker in self.workers:
            self._at(0.0, "look", worker.name)
        if self.weather.dies_at is not None:
            self._at(self.weather.dies_at, "die", 0)
        while self.left and self._events:
            self.now, _, what, name, row, meant, sent = heapq.heappop(self._events)
            if self.now > until:
                break
            worker = self.workers[name]
            if what == "lapsed":
                self._lapse(row)
            elif worker.dead:
                continue
            elif what == "die":
                self._die(worker)
            elif what == "due" and row is not None:
                if row.owner == name and row.state == "open":
                    worker.ready.append(row)
            elif what == "answer" and row is not None and meant is not None:
                self._answered(worker, row, meant, sent)
            elif what == "look":
                self._at(self.now + 0.25, "look", name)
            if not worker.dead:
                self._step(worker)
        return self.came

    def _at(
        self,
        when: float,
        what: str,
        name: int,
        row: Row | None = None,
        meant: Classification | None = None,
    ) -> None:
        heapq.heappush(self._events, (when, next(self._order), what, name, row, meant, self.now))

    def _step(self, worker: Worker) -> None:
        detector = worker.detector
        if count := detector.probes_due(self.now):
            self._probe(worker, count)
        if detector.suspicion_stands:
            return
        while len(worker.in_flight) < worker.limit.whole:
            if worker.ready:
                self._post(worker, worker.ready.pop(0), probe=False)
            elif row := next((each for each in self.queue if each.due <= self.now), None):
                self.queue.remove(row)
                self._post(worker, row, probe=False)
            else:
                break

    def _probe(self, worker: Worker, count: int) -> None:
        detector = worker.detector
        if detector.suspicion is Suspicion.CERTAIN:
            self._hand_back(worker)
        fresh = [row for row in self.queue if not row.posts]
        found = self.draw.sample(fresh, min(count, len(fresh)))
        if found:
            found += [row for row in self.queue if 0 < row.posts <= 2 and row.due <= self.now][:1]
        for row in found:
            self.queue.remove(row)
            self._post(worker, row, probe=True)
        if not found and not detector.probes_out:
            detector.nobody_to_ask()
        detector.probes_sent(len(found), self.now)

    def _hand_back(self, worker: Worker) -> None:
        for row in self.rows:
            if row.owner == worker.name and row.state == "open" and row.number not in worker.in_flight:
                row.owner, row.spent = None, 0.0
                self.queue.append(row)
        worker.ready.clear()
        self.queue.sort(key=lambda row: row.number)

    def _post(self, worker: Worker, row: Row, *, probe: bool) -> None:
        row.owner, row.posts = worker.name, row.posts + 1
        worker.in_flight[row.number] = probe
        if self.weather.is_down(self.now) and any(not each.posts for each in self.queue):
            self.came.posts_down += 1
        seconds, meant = self.api.answer(row, self.now)
        self._at(self.now + seconds, "answer", worker.name, row, meant)

    def _answered(self, worker: Worker, row: Row, meant: Classification, sent: float) -> None:
        seconds, fresh = self.now - sent, row.answered == 0 and row.most == 0
        pushed_back = meant.alive is False
        worker.limit.see(self.now, seconds, pushed_back=pushed_back, in_flight=len(worker.in_flight))
        worker.detector.see(
            alive=bool(meant.alive), fresh=fresh, sent_at=sent, now=self.now, cause=meant.cause
        )
        if worker.in_flight.pop(row.number):
            worker.detector.probe_ended(failed=meant.alive is False)
        if worker.before is Suspicion.CERTAIN and not worker.detector.suspicion_stands:
            worker.limit.begin_anew()
        worker.before = worker.detector.suspicion
        row.answered += 1
        row.most += meant.outcome is Outcome.FAILED
        row.spent += seconds
        decision = decide(meant, row.posts, row.spent, POLICY, self.draw.random)
        if isinstance(decision, Finish):
            row.owner, row.ended, self.left = None, self.now, self.left - 1
            row.state = (
                "created"
                if meant.outcome is Outcome.CREATED
                else "in_doubt"
                if meant.outcome is Outcome.IN_DOUBT
                else "dead"
            )
        elif isinstance(decision, Retry | Defer):
            row.spent += decision.delay
            row.due = self.now + decision.delay
            self._at(row.due, "due", worker.name, row)

    def _die(self, worker: Worker) -> None:
        worker.dead = True
        for row in self.rows:
            if row.owner == worker.name and row.state == "open":
                if row.number in worker.in_flight:  # nobody knows what became of it
                    row.state, row.ended, self.left = "in_doubt", self.now + LEASE, self.left - 1
                else:
                    self._at(self.now + LEASE, "lapsed", (worker.name + 1) % len(self.workers), row)

    def _lapse(self, row: Row | None) -> None:
        if row is not None:
            row.owner, row.spent = None, 0.0
            self.queue.append(row)


def plain_loop(weather: Weather) -> dict[int, float]:
    """When a plain loop has done each row: 100 at once, each row retried by itself, in its place."""
    api, draw, ended = Api(weather), random.Random(f"plain {weather.seed}"), dict[int, float]()
    free = [0.0] * MOST
    for number in range(weather.rows):
        now, row = heapq.heappop(free), Row(number)
        while row.posts < POLICY.attempts:
            row.posts += 1
            seconds, meant = api.answer(row, now)
            now += seconds
            if meant.outcome in (Outcome.CREATED, Outcome.IN_DOUBT):
                break
            if row.posts < POLICY.attempts:
                now += next_delay(row.posts, meant.retry_after, POLICY, draw.random)
        ended[number] = now
        heapq.heappush(free, now)
    return ended
