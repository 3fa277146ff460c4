"""
Logs what a worker does: the listener that turns telemetry events into log lines.

One line closes each job, with the most important facts; attempts and claims are logged at debug, except
attempts that are retried.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

from provisioning.attempt import Attempt, Outcome
from provisioning.ledger import Claim
from provisioning.lifecycle import State
from provisioning.observability.log_events import (
    ATTEMPT_FINISHED,
    BRAKE_APPLIED,
    BRAKE_RELEASED,
    JOB_CANCELLED,
    JOB_CLAIMED,
    JOB_DEAD_LETTERED,
    JOB_DEFERRED,
    JOB_DOUBTED,
    JOB_SUCCEEDED,
    LEASE_EXPIRED,
    RETRY_SCHEDULED,
    TARGET_LOST,
    TARGET_RECOVERED,
    TARGET_SUSPECTED,
    Event,
)
from provisioning.observability.logs import log_event, wanted
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

_CLOSING: Final = {
    State.SUCCEEDED: JOB_SUCCEEDED,
    State.DEAD: JOB_DEAD_LETTERED,
    State.IN_DOUBT: JOB_DOUBTED,
    State.CANCELLED: JOB_CANCELLED,
}

_COUNTS: Final = frozenset([Outcome.CREATED, Outcome.FAILED, Outcome.IN_DOUBT])
"""Outcomes by which there may be one widget more."""


def log_telemetry_event(event: TelemetryEvent) -> None:
    """Logs an event, if its level is enabled."""
    if isinstance(event, Ended):
        _close(event)
    elif isinstance(event, Attempted):
        _log_attempt(event)
    elif isinstance(event, Claimed):
        if wanted(JOB_CLAIMED):
            job = event.job
            log_event(JOB_CLAIMED, **_ids(job), row=job.row, credential=job.credential, attempts=job.attempts)
    elif isinstance(event, Returned):
        if wanted(JOB_DEFERRED):
            log_event(JOB_DEFERRED, **_ids(event.job), cause=event.reason, delay_s=event.delay)
    elif isinstance(event, Lapsed):
        _log_lapsed(event)
    elif isinstance(event, BrakeApplied):
        scope = event.scope
        log_event(BRAKE_APPLIED, scope=scope, cause=event.cause, advice=_advice(event))
    elif isinstance(event, BrakeReleased):
        log_event(BRAKE_RELEASED, scope=event.scope)
    elif isinstance(event, TargetSuspected):
        log_event(TARGET_SUSPECTED, cause=event.cause)
    elif isinstance(event, TargetLost):
        log_event(TARGET_LOST, cause=event.cause)
    elif isinstance(event, TargetRecovered):
        log_event(TARGET_RECOVERED, duration_s=round(event.seconds, 3))
    else:
        assert_never(event)


def _ids(job: Claim) -> dict[str, str | None]:
    return {
        "job_id": job.job_id,
        "batch_id": job.batch,
        "trace_id": job.trace[3:35] if job.trace else None,
    }


def _close(ended: Ended) -> None:
    kind = _CLOSING[ended.state]
    if not wanted(kind):
        return
    job, attempts = ended.job, ended.attempts
    last = attempts[-1] if attempts else None  # it may be cancelled before its first
    log_event(
        kind,
        **_ids(job),
        row=job.row,
        credential=job.credential,
        state=ended.state,
        cause=ended.reason,
        attempts=last.n if last else job.attempts,
        status=last.status if last else None,
        duration_s=_duration(attempts),
        least=int(ended.state is State.SUCCEEDED),
        most=job.most + sum(each.outcome in _COUNTS for each in attempts),
    )


def _duration(attempts: Sequence[Attempt]) -> float:
    """Seconds from the first intent here to the last answer."""
    if not attempts:
        return 0.0
    return round(attempts[-1].at + attempts[-1].seconds - attempts[0].at, 3)


def _log_attempt(event: Attempted) -> None:
    attempt = event.attempt
    kind: Event = RETRY_SCHEDULED if event.again else ATTEMPT_FINISHED
    if not wanted(kind):
        return
    log_event(
        kind,
        **_ids(event.job),
        attempt=attempt.n,
        outcome=attempt.outcome,
        status=attempt.status,
        evidence=attempt.evidence,
        cause=attempt.error or None,
        duration_s=attempt.seconds,
        delay_s=attempt.next_delay,
        state=event.state,
    )


def _log_lapsed(event: Lapsed) -> None:
    kind = JOB_DOUBTED if event.state is State.IN_DOUBT else LEASE_EXPIRED
    log_event(
        kind,
        job_id=event.job_id,
        batch_id=event.batch,
        row=event.row,
        state=event.state,
        cause="lease_lapsed",
        silent_worker=event.worker,
    )


def _advice(brake: BrakeApplied) -> str:
    """What a person must do; the reason is in the ledger only, because it may quote the API."""
    kind, _, name = brake.scope.partition(":")
    if kind == "credential":
        return f"correct it, restart the workers, then: provision resume --credential {name}"
    if kind == "batch":
        return f"give it the keys that the others have, restart it, then: provision resume {name}"
    return "correct PROVISION_API_URL, restart the workers, then: provision resume --target"
