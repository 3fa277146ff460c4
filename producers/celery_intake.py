"""
The Celery intake: any service that reaches the broker can send `provision.submit`.

    app.send_task("provision.submit", kwargs={"jobs": [...], "batch": "tenants", "idempotency_key": "…"})

| field           | type | meaning                                                                   |
| --------------- | ---- | ------------------------------------------------------------------------- |
| jobs            | list | objects as the HTTP API takes them; at most ten thousand                  |
| batch           | str  | name of the batch; without it one job is urgent, several get a new batch  |
| idempotency_key | str  | the same key with other jobs is refused; with the same it is done once    |
| new_bots        | bool | whether a job without bot.id creates a new bot                            |
| as_is           | list | paths whose ids are accepted unchanged: bot.id, key, credentials.…        |
| owner           | str  | whose jobs they are: one of PROVISION_CELERY_OWNERS; `default` if absent  |

The worker loads this module by its name. A message is acknowledged when its jobs are in the ledger. An
invalid message or job is stored with the reason (`ledger.refused_messages`). While the ledger is unavailable,
the message is delivered again.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from typing import Any

import msgspec
from celery import Task, shared_task
from celery.exceptions import Reject
from celery.worker.request import Request

from producers.batch_name import check_batch_name
from producers.files.jsonl import job_of
from producers.files.option_words import CELERY, in_words_of
from producers.files.read_options import ReadOptions
from producers.known_credentials import KnownCredentials, of_known
from producers.plan import checked
from producers.single_jobs import BATCH as SINGLE
from producers.single_jobs import today
from producers.submit import submit
from provisioning.broker.queue import Notifier, make_app, on_rabbitmq
from provisioning.config.settings import Settings
from provisioning.errors import (
    ConfigurationError,
    InvalidInputError,
    InvalidJobError,
    LedgerUnavailableError,
)
from provisioning.job import NewJob
from provisioning.ledger import Ledger, refused_messages
from provisioning.ledger.encryption import KeylessError
from provisioning.ledger.idempotency import Answer, InUseError, OtherRequestError
from provisioning.messages import REFUSE, SUBMIT
from provisioning.observability import tracing
from provisioning.observability.log_events import (
    MESSAGE_REFUSED,
    MESSAGE_RETURNED,
    NOTIFICATION_LOST,
    ROW_REJECTED,
)
from provisioning.observability.logs import log_event
from provisioning.owner import DEFAULT
from provisioning.text import Text

MOST_JOBS = 10_000
"""Most jobs in one message: some megabytes, which is much for a broker. For more, use HTTP."""

ACTOR = "celery"
"""The submitter in the job history and for Idempotency-Keys: a broker has no names of its clients."""

HIDDEN = "***"
"""Shown instead of a message's jobs: their bodies may hold secrets."""

PAUSE = 2.0
"""Seconds before a message returns to the queue: the ledger is unavailable, or its keys are missing here."""

UNSEALABLE = (KeylessError, ConfigurationError)
"""This worker lacks the keys of an encrypted ledger. Others may have them; nothing is stored in clear."""


class Message(msgspec.Struct, forbid_unknown_fields=True):
    """The keyword arguments of the task."""

    jobs: list[Any]
    batch: str | None = None
    idempotency_key: str | None = None
    new_bots: bool = False
    as_is: list[str] = []
    owner: str = DEFAULT


class RefusedError(Exception):
    """The message as a whole cannot be accepted."""


class Discreet(Request):  # type: ignore[misc] # Celery ships no types
    """A request whose jobs are hidden in task events and in the inspection of a worker."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._argsrepr = self._kwargsrepr = HIDDEN

    def info(self, safe: bool = False) -> dict[str, Any]:  # noqa: ARG002 - never otherwise
        """The information for `celery inspect` and Flower."""
        return dict(super().info(safe=True))


@shared_task(  # type: ignore[untyped-decorator]
    name=SUBMIT, bind=True, acks_late=True, ignore_result=True, Request=f"{__name__}:Discreet"
)
def submit_message(self: Task, *args: Any, **kwargs: Any) -> None:
    """Submits the jobs of one message. Raises: Reject to receive it again while the ledger is unavailable."""
    task = str(self.request.id)

    async def take() -> None:
        async with _ledger() as ledger:
            await take_in(ledger, task, args, kwargs, _doorbell())

    # Where a service traces its Celery messages, it puts a traceparent into their headers.
    with tracing.within(tracing.read(str(self.request.get("traceparent") or ""))):
        _do_or_return(SUBMIT, task, args, kwargs, take)


@shared_task(  # type: ignore[untyped-decorator]
    name=REFUSE, bind=True, acks_late=True, ignore_result=True, Request=f"{__name__}:Discreet"
)
def refuse_message(self: Task, *args: Any, **kwargs: Any) -> None:
    """
    Stores a message that the worker could not read; the consumer replaces that message with this task.

    Args:
        kwargs: reason, task (its id), batch, message.
    Raises: Reject to receive it again while the ledger is unavailable.
    """

    async def keep() -> None:
        async with _ledger() as ledger:
            details = {name: str(kwargs.get(name) or "") for name in ("task", "batch", "reason")}
            whole = {"args": args, "kwargs": kwargs}
            await _refuse(ledger, **details, message=kwargs.get("message", whole))

    _do_or_return(REFUSE, str(self.request.id), args, kwargs, keep)


def _do_or_return(
    name: str,
    task: str,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    do: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    """Does it, or returns the message to the queue. Raises: Reject."""
    try:
        asyncio.run(do())
    except (LedgerUnavailableError, *UNSEALABLE, OSError) as error:
        log_event(MESSAGE_RETURNED, task_id=task, error=error)
        time.sleep(PAUSE)
        if not _sent_again(name, task, args, kwargs):
            raise Reject(error, requeue=True) from error


def _sent_again(name: str, task: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """
    Sends the message again as a new one, if the broker counts deliveries.

    A quorum queue drops a message that was returned too often (20 times from RabbitMQ 4 on): less than a
    minute in which Redis is unavailable.
    """
    if not on_rabbitmq(_settings().broker):
        return False
    try:
        _doorbell().send(name, args=args, kwargs=kwargs, task_id=task)
    except LedgerUnavailableError:
        return False
    return True


@cache
def _settings() -> Settings:
    return Settings.from_env(os.environ)


@cache
def _doorbell() -> Notifier:
    return Notifier(make_app(_settings()))


def _ledger() -> Ledger:
    return Ledger.of(_settings(), connections=2)


async def take_in(
    ledger: Ledger, task: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], notifier: Notifier
) -> None:
    """
    Records the jobs of a message; an invalid message or job is stored with the reason.

    Raises: LedgerUnavailableError; KeylessError or ConfigurationError if the jobs cannot be encrypted here;
        the same message again completes it.
    """
    try:
        message = _read(args, kwargs)
        await _once(ledger, task, message, notifier)
    except (LedgerUnavailableError, *UNSEALABLE, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the message is stored, and not retried without limit
        reason = str(error) if isinstance(error, RefusedError) else f"unforeseen: {type(error).__name__}"
        whole = {"args": args, "kwargs": kwargs}
        named, jobs = kwargs.get("owner", DEFAULT), kwargs.get("jobs")
        owner = named if isinstance(named, str) else refused_messages.NOBODY
        batch = str(kwargs.get("batch") or "")
        await _refuse(ledger, task, batch, reason, whole, owner=owner, jobs=jobs)


def _read(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Message:
    if args:
        raise RefusedError("positional arguments are not accepted: send kwargs")
    try:
        message = msgspec.convert(dict(kwargs), Message)
    except msgspec.ValidationError as error:
        raise RefusedError(Text("the message cannot be read: {error}", error=error)) from error
    if not message.jobs:
        raise RefusedError("the message has no jobs")
    if len(message.jobs) > MOST_JOBS:
        raise RefusedError(
            Text(
                "the message has {count:,} jobs; at most {most_jobs:,} are accepted",
                count=len(message.jobs),
                most_jobs=MOST_JOBS,
            )
        )
    try:
        _options(message)
        if message.batch is not None:
            check_batch_name(message.batch)
    except InvalidInputError as error:
        raise RefusedError(_with_hint(error)) from error
    if message.owner not in _settings().celery_owners:
        raise RefusedError(
            "no message may submit for this owner: PROVISION_CELERY_OWNERS of the workers lacks it"
        )
    return message


async def _once(ledger: Ledger, task: str, message: Message, notifier: Notifier) -> None:
    key = message.idempotency_key
    if key is None:
        await _submit(ledger, task, message, notifier)
        return
    values: list[Any] = [message.jobs, message.batch, message.new_bots]
    if message.as_is:  # without it the fingerprint is that of earlier versions
        values.append(sorted(message.as_is))
    space = ACTOR if message.owner == DEFAULT else f"{ACTOR}:{message.owner}"
    content = msgspec.json.encode(values, order="deterministic")
    fingerprint = hashlib.sha256(content).hexdigest()
    try:
        async with ledger.idempotency.turn(space, key, fingerprint) as turn:
            if isinstance(turn, Answer):
                return
            await _submit(ledger, task, message, notifier)
            await turn.keep(Answer(202, "", {}, b""))
    except OtherRequestError:
        raise RefusedError("its idempotency_key was used for other jobs") from None
    except InUseError:
        # Another worker processes it, or one that died did: the ledger accepts each job once.
        await _submit(ledger, task, message, notifier)


async def _submit(ledger: Ledger, task: str, message: Message, notifier: Notifier) -> None:
    bad: dict[int, list[InvalidJobError]] = {}

    def complain(problem: InvalidJobError) -> None:
        bad.setdefault((problem.row or 1) - 1, []).append(problem)
        log_event(ROW_REJECTED, row=problem.row, by=ACTOR)

    name, meta = _batch(task, message)
    try:
        known = await KnownCredentials(ledger).names()
        jobs = list(checked(of_known(_jobs(message), known), complain))
        if jobs:
            await submit(
                ledger,
                jobs,
                name=name,
                owner=message.owner,
                actor=ACTOR,
                notify=lambda batch: _notify(notifier, batch),
                meta=meta | {"source": "Celery", "by": ACTOR},
                period=today() if name == SINGLE else "",
            )
    except InvalidInputError as error:
        raise RefusedError(error.message) from error
    if bad:
        reason = "; ".join(_words(problem) for problems in bad.values() for problem in problems[:3])
        jobs = [message.jobs[number] for number in sorted(bad)]
        kept = {"batch": name, "jobs": jobs}
        if message.owner != DEFAULT:
            kept["owner"] = message.owner
        whole = {"args": [], "kwargs": kept}
        await _refuse(ledger, task, name, reason[:2000], whole, owner=message.owner, jobs=jobs)


def _batch(task: str, message: Message) -> tuple[str, dict[str, str]]:
    if message.batch is not None:
        return message.batch, {}
    if len(message.jobs) == 1:
        return SINGLE, {"urgent": "1"}
    digest = hashlib.sha256((message.idempotency_key or task).encode()).hexdigest()[:12]
    return f"message-{digest}", {}


def _options(message: Message) -> ReadOptions:
    """Raises: InvalidInputError, naming the one that is wrong."""
    return ReadOptions(new_bots=message.new_bots, as_is=message.as_is)


def _jobs(message: Message) -> Any:
    options = _options(message)
    for number, value in enumerate(message.jobs, 1):
        job = job_of(value, options, row=number)
        if isinstance(job, NewJob):
            yield job
        else:
            yield from job


def _words(problem: InvalidJobError) -> str:
    """The problem of a job and its hint, without the value."""
    where = f"job {problem.row}" + (f", {problem.field}" if problem.field else "")
    return f"{where}: {_with_hint(problem)}"


def _with_hint(error: InvalidInputError) -> str:
    return f"{error.message} ({in_words_of(CELERY, error.hint)})" if error.hint else error.message


def _notify(notifier: Notifier, batch: str) -> None:
    try:
        notifier.notify(batch)
    except LedgerUnavailableError as error:
        log_event(NOTIFICATION_LOST, batch_id=batch, error=error)


async def _refuse(
    ledger: Ledger,
    task: str,
    batch: str,
    reason: str,
    message: Mapping[str, Any],
    *,
    owner: str = DEFAULT,
    jobs: Any = (),
) -> None:
    named = [job.get("key") for job in jobs if isinstance(job, dict)] if isinstance(jobs, list) else []
    if await refused_messages.keep(
        ledger,
        task=task,
        batch=batch,
        reason=reason,
        message=message,
        owner=owner,
        keys=[key for key in named if isinstance(key, str)],
    ):
        log_event(MESSAGE_REFUSED, task_id=task)
