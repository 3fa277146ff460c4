"""
Every event that these programs log, and every field that an event may have.

A log line can hold nothing else: `logs.log_event` takes an event from here, and leaves out values that are no
field of it, or do not have the field's shape (see `log_fields`). `docs/reference/log-events.md` is generated
from this module, and a test compares it with the code.

Names are `noun.past_participle` and stable; levels: debug for each step, info for the expected, warning for
what is retried, error if a person must act.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Event:
    """
    One kind of log line.

    Attributes:
        level: of `logging`.
        when: what has happened, as a sentence.
        fields: names from `log_fields.FIELDS`; those that do not apply are left out of a line.
        every: seconds in which a line with the same subject is written once.
    """

    name: str
    level: int
    when: str
    fields: tuple[str, ...] = ()
    every: float = 0.0


_JOB: Final = ("job_id", "batch_id", "trace_id")
_CLOSING: Final = (
    *_JOB,
    "row",
    "credential",
    "state",
    "cause",
    "attempts",
    "status",
    "duration_s",
    "least",
    "most",
    "silent_worker",
)

# --- Jobs, on a worker ---

JOB_CLAIMED = Event(
    "job.claimed", logging.DEBUG, "A worker claimed a job.", (*_JOB, "row", "credential", "attempts")
)
ATTEMPT_FINISHED = Event(
    "attempt.finished",
    logging.DEBUG,
    "The outcome of a POST is in the ledger.",
    (*_JOB, "attempt", "outcome", "status", "evidence", "cause", "duration_s", "state"),
)
RETRY_SCHEDULED = Event(
    "retry.scheduled",
    logging.WARNING,
    "An attempt failed; the job is retried after `delay_s`.",
    (*_JOB, "attempt", "outcome", "status", "evidence", "cause", "duration_s", "delay_s"),
)
JOB_DEFERRED = Event(
    "job.deferred",
    logging.DEBUG,
    "A job returned to the queue, for at least `delay_s`.",
    (*_JOB, "cause", "delay_s"),
)
JOB_SUCCEEDED = Event("job.succeeded", logging.INFO, "A widget was created. Closes the job.", _CLOSING)
JOB_DEAD_LETTERED = Event(
    "job.dead_lettered", logging.ERROR, "A job is dead: `provision dead-letters`. Closes the job.", _CLOSING
)
JOB_DOUBTED = Event(
    "job.doubted",
    logging.ERROR,
    "The outcome of a job is unknown: `provision in-doubt`. Closes the job until it is resolved.",
    _CLOSING,
)
JOB_CANCELLED = Event(
    "job.cancelled", logging.INFO, "A job was cancelled while it was being sent. Closes the job.", _CLOSING
)
LEASE_EXPIRED = Event(
    "lease.expired",
    logging.WARNING,
    (
        "The lease of a worker expired; its job is queued again. A job that "
        "was being sent is logged as `job.doubted`."
    ),
    ("job_id", "batch_id", "row", "state", "silent_worker"),
)
JOB_ABANDONED = Event(
    "job.abandoned",
    logging.ERROR,
    "A bug in the worker stopped the work on a job; its lease expires, and its state decides what follows.",
    ("job_id", "batch_id", "exception"),
)
BODY_UNOPENED = Event(
    "body.unopened",
    logging.WARNING,
    "A request body is missing, damaged or not decryptable; its job is queued again when its lease expires.",
    ("job_id", "batch_id", "error"),
)
ANSWER_MISREAD = Event(
    "answer.misread",
    logging.ERROR,
    "An unexpected error during a POST; the evidence of the attempt decides the outcome.",
    ("evidence", "status", "exception"),
)

# --- Circuit breakers (`brake`) and the ledger, on a worker ---

BRAKE_APPLIED = Event(
    "brake.applied",
    logging.ERROR,
    "A brake stopped sending for a credential or the target; `advice` says what to do.",
    ("scope", "cause", "advice"),
)
BRAKE_RELEASED = Event(
    "brake.released", logging.WARNING, "A probe succeeded; the brake is released.", ("scope",)
)
TARGET_SUSPECTED = Event(
    "target.suspected",
    logging.WARNING,
    "The API may be down: several first attempts failed in sequence. Only probes are sent.",
    ("cause",),
)
TARGET_LOST = Event(
    "target.lost",
    logging.ERROR,
    "The API is down: a probe failed too. Probes continue and jobs wait; no action is needed.",
    ("cause",),
)
TARGET_RECOVERED = Event(
    "target.recovered",
    logging.WARNING,
    "The API answers again, or no unsent job is left: sending resumes.",
    ("duration_s",),
)
BATCH_REAPED = Event(
    "batch.reaped",
    logging.INFO,
    "Data past its retention was deleted, in one or more batches.",
    ("payloads", "results", "dead", "batches"),
)
LEDGER_LOST = Event(
    "ledger.lost",
    logging.WARNING,
    "Redis is unavailable or refuses; `doing` is retried after `delay_s`. Logged at most every ten seconds.",
    ("doing", "delay_s", "error"),
    every=10.0,
)
LEDGER_EXPOSED = Event(
    "ledger.exposed",
    logging.WARNING,
    "A power cut or a failover may lose acknowledged writes, and widgets may be created twice; "
    "`provision doctor` says what to do.",
    ("error",),
)
PRIMARY_CHANGED = Event(
    "ledger.primary_changed",
    logging.WARNING,
    "Redis was restarted or replaced and may have lost its last writes: this worker recorded its "
    "jobs and recent results again. The counts show what Redis still had.",
    ("known", "taken_up", "restored", "other"),
)
JOB_LOST = Event(
    "job.lost",
    logging.ERROR,
    "Redis lost a job that was sent, and another job now uses its number or key: a widget may "
    "exist that is not in the ledger.",
    ("job_id", "batch_id", "attempt", "row"),
)
BROKER_LOST = Event(
    "broker.lost",
    logging.DEBUG,
    "The number of waiting messages could not be read from the broker; Celery logs that it is unavailable.",
    ("error",),
)
BROKER_REFUSED = Event(
    "broker.refused",
    logging.WARNING,
    "The broker refused; a new connection is made after `delay_s`. Logged at most every ten seconds.",
    ("error", "delay_s"),
    every=10.0,
)
ANSWER_UNRECORDED = Event(
    "answer.unrecorded",
    logging.ERROR,
    (
        "An answer arrived for a job that is no longer in the ledger: Redis was "
        "emptied or the batch deleted. A widget may exist."
    ),
    ("job_id", "batch_id", "attempt", "outcome"),
)
NOTIFICATION_LOST = Event(
    "ring.lost",
    logging.WARNING,
    "The broker did not accept a notification; workers will find the batch without it.",
    ("batch_id", "error"),
)
PERIODIC_TASK_FAILED = Event(
    "chore.failed",
    logging.ERROR,
    "A bug in a periodic task; it is tried again.",
    ("doing", "exception"),
)
LISTENER_FAILED = Event(
    "listener.failed",
    logging.ERROR,
    "A bug in logs, metrics or traces; the work continues.",
    ("exception",),
)

EVENTS_DELAYED = Event(
    "events.delayed",
    logging.WARNING,
    "The broker does not accept events for Flower; they are kept and sent again after `delay_s`.",
    ("error", "delay_s"),
)
EVENTS_DROPPED = Event(
    "events.dropped",
    logging.WARNING,
    "More events than the broker accepts: this many were dropped for Flower. The ledger has all of them.",
    ("left_out",),
)

# --- Programs ---

PROGRAM_STARTED = Event(
    "program.started",
    logging.INFO,
    "A program started and is ready.",
    ("api_url", "max_in_flight", "traced", "metrics_url"),
)
STOP_REQUESTED = Event(
    "stop.requested",
    logging.INFO,
    "A worker received a signal to stop: it claims no more jobs and finishes those in flight.",
)
SIGNAL_RECEIVED = Event(
    "signal.received",
    logging.INFO,
    "A program received another signal. After SIGUSR1 the stacks of all threads follow, as plain text.",
    ("message",),
)
PROGRAM_STOPPED = Event("program.stopped", logging.INFO, "A program stopped normally.")
CHECK_WARNED = Event(
    "check.warned",
    logging.WARNING,
    "A check failed at the start of a worker: `provision doctor`.",
    ("trouble", "advice"),
)
WORKER_STUCK = Event(
    "worker.stuck",
    logging.CRITICAL,
    "The watchdog ends a worker that makes no progress; a supervisor should start another.",
    ("trouble",),
)
HEARTBEAT_FAILED = Event(
    "heartbeat.failed",
    logging.WARNING,
    "A worker cannot write its heartbeat, so `provision health` does not see it. Logged once.",
    ("error", "advice"),
)
TRACES_REFUSED = Event(
    "traces.refused",
    logging.WARNING,
    "An OTLP endpoint is set but the extra `otel` is not installed: no traces are sent.",
    ("advice",),
)
LIBRARY_LOGGED = Event(
    "library.logged",
    logging.INFO,
    "A library logged a line; the level is that of the library.",
    ("logger", "message", "exception"),
)
LOG_FAILED = Event(
    "log.failed", logging.ERROR, "A bug while a log line was written; the line is lost.", ("kind",)
)

# --- Submission and the HTTP API ---

BATCH_SUBMITTED = Event(
    "batch.submitted",
    logging.INFO,
    "A submission is complete: its jobs are in the ledger.",
    ("batch_id", "trace_id", "by", "handed_over", "new", "redriven", "duration_s"),
)
JOB_SUBMITTED = Event(
    "job.submitted",
    logging.DEBUG,
    "A single job from the HTTP API is in the ledger, or was there already.",
    ("job_id", "trace_id", "by"),
)
ROW_REJECTED = Event(
    "row.rejected",
    logging.DEBUG,
    "A row of an upload or a Celery message is invalid and was not submitted.",
    ("row", "by"),
)
MESSAGE_RETURNED = Event(
    "message.returned",
    logging.WARNING,
    "The ledger is unavailable; a Celery message returns to the queue and is delivered again.",
    ("task_id", "error"),
)
MESSAGE_REFUSED = Event(
    "message.refused",
    logging.ERROR,
    "A Celery message was refused: `provision refused-messages`.",
    ("task_id",),
)
REQUEST_ANSWERED = Event(
    "request.answered",
    logging.INFO,
    (
        "The HTTP API answered a request. Level: debug for health checks, warning "
        "for 503, error for other 5xx or no answer."
    ),
    (
        "method",
        "route",
        "status",
        "duration_s",
        "token",
        "request_id",
        "idempotency_hash",
        "trace_id",
        "exception",
    ),
)
SESSION_REFUSED = Event(
    "session.refused",
    logging.WARNING,
    (
        "Somebody did not get into the web console. `by` only if there is such a user: the word may be a "
        "password in the wrong field."
    ),
    ("refusal", "by", "client"),
)
ACT_NOTED = Event(
    "act.noted",
    logging.INFO,
    "A person's action was recorded in the audit, with its reason and details.",
    ("act", "on", "by"),
)
WEBHOOK_DELIVERED = Event(
    "webhook.delivered",
    logging.INFO,
    "A webhook receiver accepted an event.",
    ("batch_id", "told", "attempt"),
)
BULK_ACT_STALLED = Event(
    "act.stalled",
    logging.WARNING,
    "A step of a bulk act failed; it is made again after `delay_s`, by any server.",
    ("delay_s", "error"),
)
DRAFT_STALLED = Event(
    "draft.stalled",
    logging.WARNING,
    "The rows of a file that a person has confirmed could not be submitted; tried again after `delay_s`.",
    ("delay_s", "error"),
)
WEBHOOK_POSTPONED = Event(
    "webhook.postponed",
    logging.WARNING,
    "A webhook receiver did not accept an event; it is sent again after `delay_s`.",
    ("batch_id", "told", "attempt", "cause", "delay_s"),
)
WEBHOOK_ABANDONED = Event(
    "webhook.abandoned",
    logging.ERROR,
    "A webhook receiver did not accept an event in any delivery, or answered 410 Gone. No more deliveries.",
    ("batch_id", "told", "attempt", "cause"),
)

EVENTS: Final[dict[str, Event]] = {
    each.name: each for each in list(globals().values()) if isinstance(each, Event)
}
"""By name."""
