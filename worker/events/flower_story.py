"""
A job's telemetry events as Celery's task events, which Flower reads: values only, nothing is sent here.

| telemetry event                  | task event     | what it shows                                      |
| -------------------------------- | -------------- | -------------------------------------------------- |
| claimed                          | task-received  | args: key and row; kwargs: batch and credential    |
| first attempt                    | task-started   |                                                    |
| an attempt that is repeated here | task-retried   | exception: status, cause and delay                 |
| back in the queue, lease lapsed  | task-retried   | exception: the cause, and the delay                |
| succeeded                        | task-succeeded | result: the widget's id                            |
| dead, in doubt                   | task-failed    | exception: the cause; traceback: the attempts      |
| cancelled                        | task-revoked   |                                                    |

Flower shows the latest event, except that only a retry reopens a task that has failed or succeeded. The
events contain no body, no credential's secret and no key of a widget.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from provisioning.attempt import Attempt
from provisioning.causes import advice
from provisioning.ledger import Claim
from provisioning.lifecycle import State
from worker.events.telemetry import Attempted, Claimed, Ended, Lapsed, Returned, TelemetryEvent

TASK = "provision.create_widget"
"""Name under which Flower shows jobs. No worker accepts such a task: it is for display only."""

Which = Literal["all", "problems"]

HANDOVER = 1.0
"""
Seconds by which the end of a job is delayed if another worker had the job before.

That worker may still be sending that it returned the job, and Flower would show a retry that arrives after
the end for ever.
"""


class Event(msgspec.Struct, frozen=True):
    """
    One task event.

    Attributes:
        due: Unix seconds before which it is not to be sent.
    """

    type: str
    fields: dict[str, Any]
    due: float = 0.0


def is_worth_sending(event: TelemetryEvent, now: float, which: Which, lease: float) -> bool:
    """
    Whether the event is sent to Flower.

    With `problems`, a job that succeeds at its first attempt on the first worker that claimed it is left
    out: neither its claim nor its end is sent. Except if its answer took as long as a lease (seconds): then
    another worker may have put it in doubt meanwhile, and sent that.
    """
    if not isinstance(event, Claimed | Attempted | Ended | Returned | Lapsed):
        return False
    if which == "all" or isinstance(event, Lapsed):
        return True
    if isinstance(event, Claimed):
        return False
    if isinstance(event, Returned):
        return bool(event.attempts)
    if isinstance(event, Attempted):
        made: Sequence[Attempt] = (event.attempt,)
    else:
        made = event.attempts
    if event.job.again or len(made) > 1:
        return True
    if not made:
        return event.state is not State.CANCELLED  # cancelled before any event of it was sent
    smooth = event.state is State.SUCCEEDED and made[0].n == 1
    return not (smooth and now - made[0].at < lease)


def events_of(event: TelemetryEvent, now: float, which: Which) -> Iterator[Event]:
    """The task events of a telemetry event that is worth sending, in order; `now` is when it happened."""
    if isinstance(event, Claimed):
        yield from _claimed(event.job, now)
    elif isinstance(event, Attempted):
        yield from _attempted(event, now, which)
    elif isinstance(event, Ended):
        yield _ended(event, now)
    elif isinstance(event, Returned):
        yield _retried(event.job, now, _return(event))
    elif isinstance(event, Lapsed):
        yield _lapsed(event, now)


def _claimed(job: Claim, now: float) -> Iterator[Event]:
    if job.again:
        # Flower may show it as failed, and a second claim alone would not change that.
        yield _retried(job, now, "taken up again")
    yield _received(job, now)


def _attempted(event: Attempted, now: float, which: Which) -> Iterator[Event]:
    job, attempt = event.job, event.attempt
    if attempt.n == job.attempts + 1:
        if which == "problems":
            yield _received(job, attempt.at)
        yield _event("started", job.job_id, attempt.at)
    if event.again:
        delay = f"; again after {attempt.next_delay:.3g} s" if attempt.next_delay is not None else ""
        yield _retried(job, now, _answer(attempt) + delay, retries=attempt.n)


def _ended(event: Ended, now: float) -> Event:
    job, attempts = event.job, event.attempts
    due = now + HANDOVER if job.again else 0.0
    began = attempts[0].at if attempts else now
    fields = {"runtime": max(0.0, now - began), "traceback": None, "exception": None, **_names(job)}
    if attempts:
        fields["retries"] = attempts[-1].n - 1
    if len(attempts) > 1 or event.state is not State.SUCCEEDED:
        fields["traceback"] = "\n".join(_story(event))
    if event.state is State.SUCCEEDED:
        fields["result"] = event.result.widget_id if event.result else ""
        return _event("succeeded", job.job_id, now, due, **fields)
    if event.state is State.CANCELLED:
        return _event("revoked", job.job_id, now, due, **fields, terminated=False, signum=None, expired=False)
    cause = _answer(attempts[-1]) if attempts else event.reason
    if event.state is State.IN_DOUBT:
        fields["exception"] = _doubt(cause, job.job_id)
    else:
        fields["exception"] = cause
    return _event("failed", job.job_id, now, due, **fields)


def _lapsed(event: Lapsed, now: float) -> Event:
    silent = f"{event.worker or 'its worker'} stopped responding"
    names: dict[str, Any] = {"name": TASK, "args": repr((event.key, event.row))}
    if event.state is State.IN_DOUBT:
        cause = _doubt(f"{silent} while it was being sent", event.job_id)
        return _event("failed", event.job_id, now, exception=cause, traceback=None, **names)
    cause = f"{silent}; back in the queue"
    return _event("retried", event.job_id, now, exception=cause, traceback=None, **names)


def _received(job: Claim, at: float) -> Event:
    return _event("received", job.job_id, at, retries=job.attempts, eta=None, expires=None, **_names(job))


def _retried(job: Claim, at: float, reason: str, **fields: Any) -> Event:
    return _event("retried", job.job_id, at, exception=reason, traceback=None, **_names(job), **fields)


def _names(job: Claim) -> dict[str, Any]:
    kwargs = {"batch": job.batch, "credential": job.credential}
    return {"name": TASK, "args": repr((job.key, job.row)), "kwargs": repr(kwargs)}


def _event(subject: str, job_id: str, at: float, due: float = 0.0, **fields: Any) -> Event:
    return Event(f"task-{subject}", {"uuid": job_id, "timestamp": at, **fields}, due)


def _answer(attempt: Attempt) -> str:
    """`503 http_503 (an HTML page: 503 Service Unavailable)`; `sent, read_timeout (no answer in time)`."""
    far = str(attempt.status) if attempt.status else str(attempt.evidence).replace("_", " ") + ","
    return " ".join([far, *filter(None, [attempt.error, f"({attempt.message})" if attempt.message else ""])])


def _return(event: Returned) -> str:
    answer = f"{_answer(event.attempts[-1])}; " if event.attempts else ""
    when = f", not before {event.delay:.3g} s" if event.delay else ""
    return f"{answer}back in the queue ({event.reason}){when}"


def _doubt(cause: str, job_id: str) -> str:
    return f"in doubt: {cause}; a widget may exist: provision resolve {job_id} --created or --absent"


def _story(event: Ended) -> Iterator[str]:
    if event.job.again:
        yield f"attempts before these: provision job {event.job.job_id}"
    for attempt in event.attempts:
        yield _line(attempt)
    if event.state in (State.DEAD, State.IN_DOUBT):
        yield f"what to do: {advice(event.reason)}"


def _line(attempt: Attempt) -> str:
    at = datetime.fromtimestamp(attempt.at, UTC).strftime("%H:%M:%S.%f")[:-3]
    then = f"; again after {attempt.next_delay:.3g} s" if attempt.next_delay is not None else ""
    return f"attempt {attempt.n} at {at} UTC took {attempt.seconds:.3g} s: {_answer(attempt)}{then}"
