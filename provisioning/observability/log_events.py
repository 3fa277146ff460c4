"""
Every event that a program of ours logs, and every field that an event may have.

A log line can hold nothing else: `logs.say` takes an event from here, and what is not a field of it, or does
not have the field's shape, is left out (see `log_fields`). `docs/reference/log-events.md` is generated from
this module, and a test compares it with what the code says.

Names are `noun.past_participle` and stable; levels: debug for each step, info for the expected, warning for
what is tried again, error when a person must look.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Event:
    """
    One kind of line.

    Attributes:
        level: of `logging`.
        when: what has happened, as a sentence.
        fields: names out of `log_fields.FIELDS`; those that do not apply are left out of a line.
        every: seconds in which a line that says the same of the same thing is written once.
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

# --- Jobs, as a worker sees them ---

JOB_CLAIMED = Event(
    "job.claimed", logging.DEBUG, "A worker has taken a job.", (*_JOB, "row", "credential", "attempts")
)
ATTEMPT_FINISHED = Event(
    "attempt.finished",
    logging.DEBUG,
    "What came of a POST is in the ledger.",
    (*_JOB, "attempt", "outcome", "status", "evidence", "cause", "duration_s", "state"),
)
RETRY_SCHEDULED = Event(
    "retry.scheduled",
    logging.WARNING,
    "An attempt came to nothing; the job is tried again after `delay_s`.",
    (*_JOB, "attempt", "outcome", "status", "evidence", "cause", "duration_s", "delay_s"),
)
JOB_DEFERRED = Event(
    "job.deferred",
    logging.DEBUG,
    "A job is back in the queue, for `delay_s` at least.",
    (*_JOB, "cause", "delay_s"),
)
JOB_SUCCEEDED = Event("job.succeeded", logging.INFO, "A widget was created. Closes the job.", _CLOSING)
JOB_DEAD_LETTERED = Event(
    "job.dead_lettered", logging.ERROR, "A job was given up: `provision dead-letters`. Closes it.", _CLOSING
)
JOB_DOUBTED = Event(
    "job.doubted",
    logging.ERROR,
    "Nobody knows whether a widget was created: `provision in-doubt`. Closes the job until it is resolved.",
    _CLOSING,
)
JOB_CANCELLED = Event(
    "job.cancelled", logging.INFO, "A job was called off while it was being sent. Closes it.", _CLOSING
)
LEASE_EXPIRED = Event(
    "lease.expired",
    logging.WARNING,
    "A worker fell silent; its job is queued again. One that was being sent is a `job.doubted`.",
    ("job_id", "batch_id", "row", "state", "silent_worker"),
)
JOB_ABANDONED = Event(
    "job.abandoned",
    logging.ERROR,
    "A bug of ours ended the work on a job; its lease will lapse, and its state decide what follows.",
    ("job_id", "batch_id", "exception"),
)
BODY_UNOPENED = Event(
    "body.unopened",
    logging.WARNING,
    "A body is gone, damaged, or its key is lost; its job is queued again when its lease lapses.",
    ("job_id", "batch_id", "error"),
)
ANSWER_MISREAD = Event(
    "answer.misread",
    logging.ERROR,
    "An unforeseen error while a POST was made or its answer read; it is judged by its evidence.",
    ("evidence", "status", "exception"),
)

# --- Brakes and the ledger, as a worker sees them ---

BRAKE_APPLIED = Event(
    "brake.applied",
    logging.ERROR,
    "A credential or the target is held back; `advice` says what to do.",
    ("scope", "cause", "advice"),
)
BRAKE_RELEASED = Event("brake.released", logging.WARNING, "A probe has shown that it goes on.", ("scope",))
TARGET_SUSPECTED = Event(
    "target.suspected",
    logging.WARNING,
    "The API may be down: rows that were never sent fail one after the other. Only probes are sent.",
    ("cause",),
)
TARGET_LOST = Event(
    "target.lost",
    logging.ERROR,
    "The API is down: a probe has failed as well. Probes go on, and jobs wait; nothing need be done.",
    ("cause",),
)
TARGET_RECOVERED = Event(
    "target.recovered",
    logging.WARNING,
    "The API answers, or no row is left that was never sent: jobs are sent again.",
    ("duration_s",),
)
BATCH_REAPED = Event(
    "batch.reaped",
    logging.INFO,
    "What was past its retention was let go, of any number of batches.",
    ("payloads", "results", "dead", "batches"),
)
LEDGER_LOST = Event(
    "ledger.lost",
    logging.WARNING,
    "Redis is away or refuses; `doing` waits for it and is tried again after `delay_s`. Once in ten seconds.",
    ("doing", "delay_s", "error"),
    every=10.0,
)
LEDGER_EXPOSED = Event(
    "ledger.exposed",
    logging.WARNING,
    "A power cut or a failover may lose what Redis has acknowledged, and widgets be made twice;"
    " `provision doctor` says what to do.",
    ("error",),
)
PRIMARY_CHANGED = Event(
    "ledger.primary_changed",
    logging.WARNING,
    "Redis was restarted, or another has taken over, and may have lost its last writes: this worker has told"
    " it what it holds and what it lately had recorded. Counts of what Redis knew of it.",
    ("known", "taken_up", "restored", "other"),
)
JOB_LOST = Event(
    "job.lost",
    logging.ERROR,
    "Redis has lost a job that was sent, and its number or key is another job's by now: a widget may exist of"
    " which the ledger knows nothing.",
    ("job_id", "batch_id", "attempt", "row"),
)
BROKER_LOST = Event(
    "broker.lost",
    logging.DEBUG,
    "The broker did not say how many messages wait; Celery says aloud that it is away.",
    ("error",),
)
BROKER_REFUSED = Event(
    "broker.refused",
    logging.WARNING,
    "The broker is there and refuses; a new connection is made after `delay_s`. Once in ten seconds.",
    ("error", "delay_s"),
    every=10.0,
)
ANSWER_UNRECORDED = Event(
    "answer.unrecorded",
    logging.ERROR,
    "An answer found its job gone: Redis was emptied, or the batch deleted. There may be a widget.",
    ("job_id", "batch_id", "attempt", "outcome"),
)
RING_LOST = Event(
    "ring.lost",
    logging.WARNING,
    "The broker did not take a ring; workers will see the batch by themselves.",
    ("batch_id", "error"),
)
CHORE_FAILED = Event(
    "chore.failed",
    logging.ERROR,
    "A bug of ours in something that is done over and over; it is tried again.",
    ("doing", "exception"),
)
LISTENER_FAILED = Event(
    "listener.failed",
    logging.ERROR,
    "A bug of ours in logs, metrics or traces; the work goes on.",
    ("exception",),
)

EVENTS_DELAYED = Event(
    "events.delayed",
    logging.WARNING,
    "The broker does not take what Flower is told; it is kept for `delay_s` and tried again.",
    ("error", "delay_s"),
)
EVENTS_DROPPED = Event(
    "events.dropped",
    logging.WARNING,
    "More happens than the broker takes: Flower is not told of so many happenings. The ledger has them all.",
    ("left_out",),
)

# --- Programs ---

PROGRAM_STARTED = Event(
    "program.started",
    logging.INFO,
    "A program is ready to work.",
    ("api_url", "max_in_flight", "traced", "metrics_url"),
)
STOP_REQUESTED = Event(
    "stop.requested",
    logging.INFO,
    "A signal tells a worker to stop: it takes no more, and finishes what is in flight.",
)
SIGNAL_RECEIVED = Event(
    "signal.received",
    logging.INFO,
    "A signal other than to stop. After SIGUSR1 the stacks of all threads follow, as plain text.",
    ("message",),
)
PROGRAM_STOPPED = Event("program.stopped", logging.INFO, "A program has stopped in good order.")
CHECK_WARNED = Event(
    "check.warned",
    logging.WARNING,
    "A worker starts, and something is not as it should be: `provision doctor`.",
    ("trouble", "advice"),
)
WORKER_STUCK = Event(
    "worker.stuck",
    logging.CRITICAL,
    "The watchdog ends a worker that is up and does nothing; a supervisor starts another.",
    ("trouble",),
)
HEARTBEAT_FAILED = Event(
    "heartbeat.failed",
    logging.WARNING,
    "A worker cannot write its heartbeat: `provision health` does not see it. It is said once.",
    ("error", "advice"),
)
TRACES_REFUSED = Event(
    "traces.refused",
    logging.WARNING,
    "An OTLP endpoint is set and the extra `otel` is not installed: nothing is traced.",
    ("advice",),
)
LIBRARY_LOGGED = Event(
    "library.logged",
    logging.INFO,
    "A library logged something; the level is its own.",
    ("logger", "message", "exception"),
)
LOG_FAILED = Event(
    "log.failed", logging.ERROR, "A bug of ours while a line was made; the line is lost.", ("kind",)
)

# --- Doors ---

BATCH_SUBMITTED = Event(
    "batch.submitted",
    logging.INFO,
    "A submission has come to its end: its jobs are in the ledger.",
    ("batch_id", "trace_id", "by", "handed_over", "new", "redriven", "duration_s"),
)
JOB_SUBMITTED = Event(
    "job.submitted",
    logging.DEBUG,
    "A job that came alone through the HTTP door is in the ledger, or was known to it.",
    ("job_id", "trace_id", "by"),
)
ROW_REJECTED = Event(
    "row.rejected",
    logging.DEBUG,
    "A row of an upload or of a Celery message breaks a rule and is not handed over.",
    ("row", "by"),
)
MESSAGE_RETURNED = Event(
    "message.returned",
    logging.WARNING,
    "The ledger is away; a Celery message goes back to the queue and comes again.",
    ("task_id", "error"),
)
MESSAGE_REFUSED = Event(
    "message.refused",
    logging.ERROR,
    "A Celery message was not taken: `provision refused-messages`.",
    ("task_id",),
)
REQUEST_ANSWERED = Event(
    "request.answered",
    logging.INFO,
    "The HTTP door has answered. Health checks at debug; 503 a warning, another 5xx or no answer an error.",
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
ACT_NOTED = Event(
    "act.noted",
    logging.INFO,
    "A person's act is in the audit, which has its reason and its facts.",
    ("act", "on", "by"),
)
WEBHOOK_DELIVERED = Event(
    "webhook.delivered", logging.INFO, "A receiver has taken an event.", ("batch_id", "told", "attempt")
)
WEBHOOK_POSTPONED = Event(
    "webhook.postponed",
    logging.WARNING,
    "A receiver did not take an event; it is told again after `delay_s`.",
    ("batch_id", "told", "attempt", "cause", "delay_s"),
)
WEBHOOK_ABANDONED = Event(
    "webhook.abandoned",
    logging.ERROR,
    "A receiver took an event in none of all tries, or said that it is gone.",
    ("batch_id", "told", "attempt", "cause"),
)

EVENTS: Final[dict[str, Event]] = {
    each.name: each for each in list(globals().values()) if isinstance(each, Event)
}
"""By name."""
