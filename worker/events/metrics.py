"""
What a worker counts for Prometheus, and the address of its metrics.

A listener of `telemetry`: it counts what is in the ledger already. It has its own registry, and each child is
looked up once: `labels()` costs more than the increment.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.process_collector import ProcessCollector

from provisioning.attempt import Evidence, Outcome
from provisioning.errors import ConfigurationError
from provisioning.ledger import WorkerSign
from provisioning.lifecycle import State
from provisioning.observability.metric import Metric, kind_of_scope, known_cause, known_status
from worker.events.telemetry import (
    Attempted,
    BrakeApplied,
    BrakeReleased,
    Claimed,
    Ended,
    Lapsed,
    Returned,
    TargetLost,
    TargetRecovered,
    TargetSuspected,
    TelemetryEvent,
)

CLAIMED: Final = Metric("provision_jobs_claimed_total", "counter", "Jobs that this worker claimed")
ENDED: Final = Metric(
    "provision_jobs_ended_total",
    "counter",
    "Jobs that ended here, by state and cause; a redriven job, or one settled by a late "
    "answer, is counted again",
    ("state", "cause"),
)
RETURNED: Final = Metric(
    "provision_jobs_returned_total", "counter", "Jobs returned to the queue, by cause", ("cause",)
)
ATTEMPTS: Final = Metric(
    "provision_attempts_total",
    "counter",
    "POSTs with a recorded outcome, by outcome and HTTP status (`none`: no status line)",
    ("outcome", "status"),
)
POST_SECONDS: Final = Metric(
    "provision_post_duration_seconds",
    "histogram",
    "Time from the intent to the answer or the timeout; without POSTs of which provably nothing was sent",
)
RETRIES: Final = Metric(
    "provision_retries_scheduled_total",
    "counter",
    "Retries scheduled, in the worker or through the queue, by cause",
    ("cause",),
)
LAPSED: Final = Metric(
    "provision_leases_expired_total",
    "counter",
    "Expired leases that this worker settled, by the new state of the job",
    ("state",),
)
BRAKED: Final = Metric(
    "provision_brakes_applied_total",
    "counter",
    "Brakes (circuit breakers) that this worker opened, by scope",
    ("scope",),
)
RELEASED: Final = Metric(
    "provision_brakes_released_total",
    "counter",
    "Brakes (circuit breakers) that an answer to this worker closed, by scope",
    ("scope",),
)
IN_FLIGHT: Final = Metric("provision_in_flight", "gauge", "POSTs in flight")
LIMIT: Final = Metric(
    "provision_in_flight_limit", "gauge", "Concurrency limit of this worker (POSTs in flight)"
)
IN_HAND: Final = Metric(
    "provision_in_hand", "gauge", "Jobs held under a lease, including those that wait for a retry"
)
REFUSED: Final = Metric(
    "provision_refused_share", "gauge", "Share of recent answers that were 429, 503 or a timeout"
)
OUTAGE: Final = Metric(
    "provision_outage", "gauge", "1 if this worker suspects that the API is down, 2 if it is certain; else 0"
)
NEXT_PROBE: Final = Metric(
    "provision_next_probe_timestamp_seconds",
    "gauge",
    "Time of the next probes of an outage; 0 if there is none",
)

METRICS: Final = (
    CLAIMED,
    ENDED,
    RETURNED,
    ATTEMPTS,
    POST_SECONDS,
    RETRIES,
    LAPSED,
    BRAKED,
    RELEASED,
    IN_FLIGHT,
    LIMIT,
    IN_HAND,
    REFUSED,
    OUTAGE,
    NEXT_PROBE,
)
"""All that a worker has at /metrics, besides the `process_*` that every Prometheus client has."""

BUCKETS: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0)
"""Seconds; the usual read timeout is one of them."""

_GAUGES: Final[dict[Metric, Callable[[WorkerSign], float]]] = {
    IN_FLIGHT: lambda sign: sign.in_flight,
    LIMIT: lambda sign: sign.limit,
    IN_HAND: lambda sign: sign.in_hand,
    REFUSED: lambda sign: sign.refused,
    OUTAGE: lambda sign: 0 if sign.outage is None else 1 + sign.outage.certain,
    NEXT_PROBE: lambda sign: 0 if sign.outage is None else sign.outage.next_probe,
}

# A series beside each counter with the time at which it began; the process has that already.
disable_created_metrics()  # type: ignore[no-untyped-call] # not typed there


class WorkerMetrics:
    """The numbers of one worker since it started. `listen` is a `telemetry.Listener`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._claimed = self._counter(CLAIMED)
        self._ended = _Children(self._counter(ENDED), lambda state, why: (str(state), known_cause(why)))
        self._returned = _Children(self._counter(RETURNED), lambda why: (known_cause(why),))
        self._attempts = _Children(
            self._counter(ATTEMPTS), lambda outcome, status: (str(outcome), known_status(status))
        )
        self._post_seconds = Histogram(
            POST_SECONDS.name, POST_SECONDS.meaning, registry=self.registry, buckets=BUCKETS
        )
        self._retries = _Children(self._counter(RETRIES), lambda why: (known_cause(why),))
        self._lapsed = _Children(self._counter(LAPSED), lambda state: (str(state),))
        self._braked = _Children(self._counter(BRAKED), lambda scope: (kind_of_scope(scope),))
        self._released = _Children(self._counter(RELEASED), lambda scope: (kind_of_scope(scope),))
        self._handlers: dict[type, Callable[[Any], None]] = {
            Claimed: lambda _: self._claimed.inc(),
            Attempted: self._attempted,
            Ended: lambda event: self._ended.of(event.state, event.reason).inc(),
            Returned: lambda event: self._returned.of(event.reason).inc(),
            Lapsed: self._lease_lapsed,
            BrakeApplied: lambda event: self._braked.of(event.scope).inc(),
            BrakeReleased: lambda event: self._released.of(event.scope).inc(),
            TargetSuspected: _passed_over,  # the gauges show it
            TargetLost: _passed_over,
            TargetRecovered: _passed_over,
        }
        self._begin_at_zero()

    def listen(self, event: TelemetryEvent) -> None:
        """Counts an event."""
        self._handlers[type(event)](event)

    def watch(self, sign: Callable[[], WorkerSign]) -> None:
        """Lets the gauges read the worker's state at every scrape."""
        for metric, read in _GAUGES.items():
            gauge = Gauge(metric.name, metric.meaning, registry=self.registry)
            gauge.set_function(partial(_read, read, sign))

    def _attempted(self, event: Attempted) -> None:
        attempt = event.attempt
        self._attempts.of(attempt.outcome, attempt.status).inc()
        if attempt.evidence is not Evidence.NOTHING_SENT:
            self._post_seconds.observe(attempt.seconds)
        if attempt.next_delay is not None:
            self._retries.of(event.reason).inc()

    def _lease_lapsed(self, event: Lapsed) -> None:
        self._lapsed.of(event.state).inc()
        if event.state is State.IN_DOUBT:
            self._ended.of(event.state, "lease_lapsed").inc()

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.meaning, metric.labels, registry=self.registry)

    def _begin_at_zero(self) -> None:
        """Creates the series that alerts use at the start: a rate ignores the step from no series to 1."""
        self._ended.of(State.SUCCEEDED, "created")
        self._attempts.of(Outcome.CREATED, 200)
        for state in (State.QUEUED, State.IN_DOUBT):
            self._lapsed.of(state)
        for scope in ("credential", "target"):
            self._braked.of(scope)
            self._released.of(scope)


def _passed_over(_: object) -> None:
    """Counts nothing."""


def _read(read: Callable[[WorkerSign], float], sign: Callable[[], WorkerSign]) -> float:
    return float(read(sign()))


class _Children:
    """
    The children of a counter, each looked up once.

    Args:
        labels: the label values of an event. They name the children and bound this cache; the event's own
            values must not, because an API may return any number of them.
    """

    def __init__(self, counter: Counter, labels: Callable[..., tuple[str, ...]]) -> None:
        self._counter = counter
        self._labels = labels
        self._children: dict[tuple[str, ...], Counter] = {}

    def of(self, *event: Any) -> Counter:
        labels = self._labels(*event)
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._counter.labels(*labels)
        return child


def serve(metrics: WorkerMetrics, host: str, port: int) -> str:
    """
    Serves `/metrics` from its own thread, so that a worker whose engine is stuck can be scraped.

    Args:
        port: 0 for any free one.
    Returns: the address.
    Raises: ConfigurationError if the port is in use.
    """
    try:
        server, _ = start_http_server(port, host, metrics.registry)
    except OSError as error:
        raise ConfigurationError(
            f"cannot show metrics at {host} port {port} ({error.strerror})",
            hint="the port may be in use; each worker on a host needs its own PROVISION_METRICS_PORT; "
            "0 uses any free port",
        ) from error
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{server.server_port}/metrics"
