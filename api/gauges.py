"""
The ledger's gauges for Prometheus, and their values for one reading.

Every server reports the same values of one ledger: to combine servers, take the largest and not the sum.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from provisioning.config.settings import Settings
from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import Ledger
from provisioning.ledger.gauges import Gauges, read_gauges
from provisioning.lifecycle import State
from provisioning.observability.metric import Metric, kind_of_scope

FRESH_FOR: Final = 3.0
"""Seconds for which one reading is reused for all requests."""


def _gauge(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"provision_ledger_{name}", "gauge", meaning, labels)


READ: Final = _gauge("read_seconds", "Time to read the ledger; one reading is reused for three seconds")
BATCHES: Final = _gauge("batches", "Batches in the ledger, settled or not", "settled")
JOBS: Final = _gauge("jobs", "Jobs in the ledger, by state", "state")
ACCEPTED: Final = _gauge("accepted_jobs", "Jobs accepted by the batches in the ledger: the sum of all states")
WAITING: Final = _gauge("waiting_jobs", "Queued jobs that wait for a start time (backoff)")
OLDEST: Final = _gauge(
    "queue_oldest_seconds",
    "Age of the oldest ready job, within the eight oldest batches that have one; 0 if none is ready",
)
DEAD: Final = _gauge("dead_letters", "Dead jobs by cause; one series per cause", "cause")
IN_DOUBT: Final = _gauge("in_doubt", "Jobs in doubt by cause; one series per cause", "cause")
OLDEST_DOUBT: Final = _gauge("in_doubt_oldest_seconds", "Age of the oldest job in doubt; 0 if there is none")
ATTEMPTS: Final = _gauge("attempts", "POSTs started for the batches in the ledger")
LEAST: Final = _gauge("widgets_least", "Widgets that exist for the batches in the ledger, at least")
MOST: Final = _gauge("widgets_most", "Widgets that exist for the batches in the ledger, at most")
HOLDS: Final = _gauge(
    "holds",
    "Pauses, brakes and stop-losses by `kind` (paused, brake, stop_loss) and `scope`; `trying`: a "
    "person resumed it and a probe is sent",
    "kind",
    "scope",
    "trying",
)
USUAL_PACE: Final = _gauge(
    "pace_default_per_second", "Pace (POSTs per second) of every credential without its own pace"
)
PACE: Final = _gauge(
    "pace_per_second",
    "Pace (POSTs per second) that an operator set for a credential; at most fifty credentials",
    "credential",
)
WORKERS: Final = _gauge("workers", "Workers with a heartbeat in the last ten seconds")
IN_FLIGHT: Final = _gauge("workers_in_flight", "POSTs in flight on all workers")
LIMIT: Final = _gauge(
    "workers_in_flight_limit", "Concurrency limit (POSTs in flight) of all workers together"
)
IN_HAND: Final = _gauge("workers_in_hand", "Jobs that workers hold under a lease")
REFUSED_SHARE: Final = _gauge(
    "workers_refused_share",
    "Largest share of recent answers on one worker that were 429, 503 or a timeout",
)
OUTAGE: Final = _gauge(
    "workers_in_outage", "Workers that suspect that the API is down, or are certain of it", "certain"
)
LEARNED: Final = _gauge(
    "learned_rate_per_second",
    "Rate (POSTs per second) of a credential learned from 429 answers; at most fifty credentials",
    "credential",
)
MESSAGES: Final = _gauge(
    "queue_messages", "Celery messages that wait; absent while the broker is unavailable"
)
TAKEN: Final = _gauge(
    "queue_taken_messages",
    "Celery messages delivered and not yet acknowledged; only if the ledger's Redis is the broker",
)
REFUSED: Final = _gauge("refused_messages", "Refused Celery messages in the ledger")
MEMORY: Final = _gauge("redis_memory_used_bytes", "Memory used by Redis")
MEMORY_MOST: Final = _gauge("redis_memory_max_bytes", "Memory limit of Redis; 0 if there is none")
APPEND_ONLY: Final = _gauge("redis_append_only", "1 if Redis keeps an append-only file")
SOUND: Final = _gauge(
    "redis_persistence_ok",
    "0 if the last write of this kind failed: `append` to the append-only file, `rewrite` of it, `save` of a"
    " snapshot",
    "kind",
)

METRICS: Final = (
    READ,
    BATCHES,
    JOBS,
    ACCEPTED,
    WAITING,
    OLDEST,
    DEAD,
    IN_DOUBT,
    OLDEST_DOUBT,
    ATTEMPTS,
    LEAST,
    MOST,
    HOLDS,
    USUAL_PACE,
    PACE,
    WORKERS,
    IN_FLIGHT,
    LIMIT,
    IN_HAND,
    REFUSED_SHARE,
    OUTAGE,
    LEARNED,
    MESSAGES,
    TAKEN,
    REFUSED,
    MEMORY,
    MEMORY_MOST,
    APPEND_ONLY,
    SOUND,
)
"""All that a server has at /metrics, besides the `process_*` that every Prometheus client has."""

Samples = Mapping[Metric, Mapping[tuple[str, ...], float]]
"""Values by metric, and then by the values of its labels."""

_POSSIBLE_HOLDS: Final = (
    *(("paused", scope, "false") for scope in ("all", "batch", "credential", "target")),
    *(("brake", scope, trying) for scope in ("credential", "target") for trying in ("false", "true")),
    ("stop_loss", "batch", "false"),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """
    The ledger as it was read.

    Attributes:
        seconds: how long that took.
        messages: that wait on the broker; None if they could not be counted.
        taken: that workers have received and not acknowledged; None if the broker is another server.
    """

    gauges: Gauges
    seconds: float
    messages: int | None
    taken: int | None = None


class Readings:
    """
    One reading for all requests within `FRESH_FOR`, however many arrive at once.

    Args:
        waiting: counts the waiting messages on the broker, if that is not the ledger's Redis. May block;
            called off the loop, by one thread at a time.
    """

    def __init__(self, ledger: Ledger, waiting: Callable[[], int] | None = None) -> None:
        self._ledger = ledger
        self._waiting = waiting
        self._lock = asyncio.Lock()
        self._kept: tuple[Reading, float] | None = None

    async def latest(self) -> Reading:
        """Raises: LedgerUnavailableError."""
        async with self._lock:
            began = time.monotonic()
            if self._kept is None or self._kept[1] < began:
                elsewhere = asyncio.create_task(self._messages())
                try:
                    gauges = await read_gauges(self._ledger)
                finally:
                    seconds = time.monotonic() - began
                    messages = await elsewhere
                here = gauges.messages if self._waiting is None else messages
                taken = gauges.taken if self._waiting is None else None
                self._kept = (Reading(gauges, seconds, here, taken), time.monotonic() + FRESH_FOR)
            return self._kept[0]

    async def _messages(self) -> int | None:
        if self._waiting is None:
            return None
        try:
            return await asyncio.to_thread(self._waiting)
        except LedgerUnavailableError:
            return None


def samples(reading: Reading, settings: Settings) -> Samples:
    """The samples of a reading."""
    return {
        READ: {(): reading.seconds},
        **_of_jobs(reading.gauges),
        **_of_operation(reading.gauges, settings),
        MESSAGES: {} if reading.messages is None else {(): reading.messages},
        TAKEN: {} if reading.taken is None else {(): reading.taken},
    }


def _of_jobs(gauges: Gauges) -> Samples:
    sums, counts = gauges.sums, gauges.sums.counts
    settled = counts.get("settled", 0)
    by_cause: dict[State, dict[tuple[str, ...], float]] = {
        state: {(cause,): count for (where, cause), count in sums.causes.items() if where == state}
        for state in (State.DEAD, State.IN_DOUBT)
    }
    return {
        BATCHES: {("false",): sums.batches - settled, ("true",): settled},
        JOBS: {(str(state),): counts.get(state, 0) for state in State},
        ACCEPTED: {(): counts.get("accepted", 0)},
        WAITING: {(): counts.get("waiting", 0)},
        OLDEST: {(): gauges.oldest},
        DEAD: by_cause[State.DEAD],
        IN_DOUBT: by_cause[State.IN_DOUBT],
        OLDEST_DOUBT: {(): gauges.oldest_doubt},
        ATTEMPTS: {(): counts.get("attempts", 0)},
        LEAST: {(): counts.get("least", 0)},
        MOST: {(): counts.get("most", 0)},
    }


def _of_operation(gauges: Gauges, settings: Settings) -> Samples:
    usual = settings.rate.per_second
    server, workers = gauges.server, gauges.workers
    holds: Counter[tuple[str, ...]] = Counter(
        (hold.kind, kind_of_scope(hold.scope), "true" if hold.trying else "false") for hold in gauges.holds
    )
    return {
        HOLDS: {**dict.fromkeys(_POSSIBLE_HOLDS, 0), **holds},
        USUAL_PACE: {(): float("inf") if usual is None else usual},
        PACE: {(credential,): pace for credential, pace in gauges.paces.items()},
        WORKERS: {(): len(workers)},
        IN_FLIGHT: {(): sum(worker.in_flight for worker in workers)},
        LIMIT: {(): sum(worker.limit for worker in workers)},
        IN_HAND: {(): sum(worker.in_hand for worker in workers)},
        REFUSED_SHARE: {(): max((worker.refused for worker in workers), default=0.0)},
        OUTAGE: {
            (word,): sum(worker.outage is not None and worker.outage.certain is certain for worker in workers)
            for word, certain in (("false", False), ("true", True))
        },
        LEARNED: {(credential,): rate for credential, rate in gauges.learned.items()},
        REFUSED: {(): gauges.refused},
        MEMORY: {(): server.used},
        MEMORY_MOST: {(): server.most},
        APPEND_ONLY: {(): server.append_only},
        SOUND: {(what,): sound for what, sound in server.sound.items()},
    }


class Collected(Collector):
    """A set of samples as Prometheus' client collects it."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for metric, values in self._samples.items():
            family = GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
            for labels, value in values.items():
                family.add_metric(labels, value)
            yield family
