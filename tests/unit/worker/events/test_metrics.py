"""What a worker counts, by what it was told; and that no word of others becomes a label."""

from __future__ import annotations

import doctest
import re

import msgspec
import pytest
from prometheus_client import generate_latest

from provisioning.attempt import Attempt, Evidence, Outcome
from provisioning.causes import CAUSES
from provisioning.ledger import Claim, Outage, WorkerSign
from provisioning.lifecycle import State
from provisioning.observability import metric as metric_module
from provisioning.observability.metric import OTHER, Metric, kind_of_scope, known_cause, known_status
from worker.events.metrics import METRICS, WorkerMetrics
from worker.events.telemetry import (
    Attempted,
    BrakeApplied,
    BrakeReleased,
    Claimed,
    Ended,
    Lapsed,
    Returned,
    TelemetryEvent,
)
from worker.execution.classify import classify
from worker.execution.reply import Answer

JOB = Claim(
    batch="secret-batch",
    number=7,
    token=1,
    key="secret-tenant",
    credential="secret-credential",
    row=None,
    attempts=0,
    most=0,
    body=b'{"secret": "body"}',
)
DOWN = Outage(certain=True, since=1.0, cause="http_503", next_probe=7.0)
SENT = Attempt(n=1, at=1.0, seconds=0.4, outcome=Outcome.CREATED, evidence=Evidence.ANSWERED, status=200)
FAILED = msgspec.structs.replace(SENT, outcome=Outcome.FAILED, status=500, next_delay=0.5)
UNSENT = msgspec.structs.replace(
    SENT, outcome=Outcome.UNPROCESSED, evidence=Evidence.NOTHING_SENT, status=None, next_delay=0.5
)


def _value(metrics: WorkerMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.mark.parametrize(
    ("event", "name", "labels"),
    [
        (Claimed(JOB), "provision_jobs_claimed_total", {}),
        (
            Attempted(JOB, SENT, State.SUCCEEDED, "created"),
            "provision_attempts_total",
            {"outcome": "created", "status": "200"},
        ),
        (
            Attempted(JOB, UNSENT, State.CLAIMED, "connect_refused"),
            "provision_attempts_total",
            {"outcome": "unprocessed", "status": "none"},
        ),
        (
            Attempted(JOB, FAILED, State.CLAIMED, "http_500"),
            "provision_retries_scheduled_total",
            {"cause": "http_500"},
        ),
        (
            Ended(JOB, State.DEAD, "bot_not_found", [SENT]),
            "provision_jobs_ended_total",
            {"state": "dead", "cause": "bot_not_found"},
        ),
        (Returned(JOB, 0.0, "shutdown"), "provision_jobs_returned_total", {"cause": "shutdown"}),
        (Lapsed("b", 1, State.QUEUED), "provision_leases_expired_total", {"state": "queued"}),
        (
            Lapsed("b", 1, State.IN_DOUBT),
            "provision_jobs_ended_total",
            {"state": "in_doubt", "cause": "lease_lapsed"},
        ),
        (
            BrakeApplied("credential:secret", "why"),
            "provision_brakes_applied_total",
            {"scope": "credential"},
        ),
        (BrakeReleased("target:http://x"), "provision_brakes_released_total", {"scope": "target"}),
    ],
)
def test_what_is_told_is_counted_once(event: TelemetryEvent, name: str, labels: dict[str, str]) -> None:
    metrics = WorkerMetrics()
    before = _value(metrics, name, **labels) or 0.0
    metrics.listen(event)
    assert _value(metrics, name, **labels) == before + 1


def test_a_post_of_which_nothing_was_sent_says_nothing_of_how_long_the_api_takes() -> None:
    metrics = WorkerMetrics()
    metrics.listen(Attempted(JOB, UNSENT, State.CLAIMED, "connect_refused"))
    assert _value(metrics, "provision_post_duration_seconds_count") == 0
    metrics.listen(Attempted(JOB, SENT, State.SUCCEEDED, "created"))
    assert _value(metrics, "provision_post_duration_seconds_count") == 1
    assert _value(metrics, "provision_post_duration_seconds_sum") == 0.4


def test_a_last_failure_schedules_no_retry() -> None:
    metrics = WorkerMetrics()
    last = msgspec.structs.replace(FAILED, next_delay=None)
    metrics.listen(Attempted(JOB, last, State.DEAD, "http_500"))
    assert _value(metrics, "provision_retries_scheduled_total", cause="http_500") is None


def test_gauges_are_read_when_somebody_looks() -> None:
    sign = WorkerSign(name="w", at=0.0, in_flight=3, limit=32, in_hand=9, refused=0.25, outage=DOWN)
    metrics = WorkerMetrics()
    metrics.watch(lambda: sign)
    assert _value(metrics, "provision_in_flight") == 3
    sign = msgspec.structs.replace(sign, in_flight=4)
    assert _value(metrics, "provision_in_flight") == 4
    assert _value(metrics, "provision_in_flight_limit") == 32
    assert _value(metrics, "provision_in_hand") == 9
    assert _value(metrics, "provision_refused_share") == 0.25
    assert _value(metrics, "provision_outage") == 2
    assert _value(metrics, "provision_next_probe_timestamp_seconds") == 7.0


def test_two_workers_of_one_process_count_apart() -> None:
    one, other = WorkerMetrics(), WorkerMetrics()
    one.listen(Claimed(JOB))
    assert _value(other, "provision_jobs_claimed_total") == 0


def test_what_the_api_coins_never_becomes_a_label() -> None:
    metrics = WorkerMetrics()
    for n in range(200):
        body = b'{"error":{"key":"TENANT_%d_IS_ODD"}}' % n
        answer = Answer(status=400, body=body, seconds=0.1)
        finding = classify(answer, 0.0)
        assert finding.cause == f"tenant_{n}_is_odd"
        attempt = msgspec.structs.replace(SENT, outcome=finding.outcome, status=400, error=finding.cause)
        metrics.listen(Attempted(JOB, attempt, State.DEAD, finding.cause))
        metrics.listen(Ended(JOB, State.DEAD, finding.cause, [attempt]))
        metrics.listen(Returned(JOB, 1.0, finding.cause))
    text = generate_latest(metrics.registry).decode()
    assert "odd" not in text
    assert _value(metrics, "provision_jobs_ended_total", state="dead", cause=OTHER) == 200
    assert len(text.splitlines()) < 120


def test_no_status_that_does_not_exist_becomes_a_label() -> None:
    assert {known_status(status) for status in range(600, 1000)} == {OTHER}
    assert known_status(404) == "404"


def test_every_documented_cause_is_its_own_label() -> None:
    for word in (word for group in CAUSES.values() for word in group):
        assert known_cause(word) == word
    assert known_cause("http_599") == OTHER


def test_nothing_of_a_job_is_in_what_is_shown() -> None:
    metrics = WorkerMetrics()
    for event in (
        Claimed(JOB),
        Attempted(JOB, SENT, State.SUCCEEDED, "created"),
        Ended(JOB, State.SUCCEEDED, "created", [SENT]),
        Lapsed("secret-batch", 7, State.QUEUED),
        BrakeApplied("credential:secret-credential", "secret reason"),
        BrakeApplied("target:http://secret.example", "secret reason"),
    ):
        metrics.listen(event)
    assert "secret" not in generate_latest(metrics.registry).decode()


def test_what_is_shown_is_what_is_declared() -> None:
    metrics = WorkerMetrics()
    metrics.watch(lambda: WorkerSign(name="w", at=0.0, in_flight=0, limit=0, in_hand=0))
    text = generate_latest(metrics.registry).decode()
    shown = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert {name: kind for name, kind in shown.items() if not name.startswith("process_")} == {
        metric.name: metric.kind for metric in METRICS
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [("provision_jobs", "counter"), ("provision_jobs_total", "gauge"), ("jobs_total", "counter")],
)
def test_a_name_against_the_conventions_is_refused(name: str, kind: str) -> None:
    with pytest.raises(ValueError, match=name):
        Metric(name, kind, "x")  # type: ignore[arg-type]


def test_a_scope_is_named_by_its_kind() -> None:
    scopes = ("all", "batch:b1", "credential:a:b", "target:http://x:80", "token:abc")
    assert [kind_of_scope(scope) for scope in scopes] == ["all", "batch", "credential", "target", OTHER]


def test_the_examples_of_labels_hold() -> None:
    result = doctest.testmod(metric_module)
    assert (result.failed, result.attempted > 0) == (0, True)
