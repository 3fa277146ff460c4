"""
Validates a Celery message before Celery gets it. Pure: headers and a body go in, a `ValidMessage` comes out.

Celery does not validate: a body of another form, an id that is a list or a time limit that is a number ends
its worker, and it drops what it cannot decode. So every message is validated here first, and an unreadable
one is stored with the reason (`ledger.refused_messages`).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from provisioning.text import Text

DRAIN = "provision.drain"
SUBMIT = "provision.submit"
REFUSE = "provision.refuse"

TASKS = (DRAIN, SUBMIT, REFUSE)
"""The tasks that a message may call."""

QUEUE = "celery"
"""Celery's default queue, so that a service needs only the address of the broker."""

UNACKNOWLEDGED = "unacked"
"""kombu's hash in Redis: messages that workers have received and not acknowledged."""

VERSION = 1
"""Version of a notification: the arguments of `provision.drain`."""


class UnreadableError(Exception):
    """The message is invalid. The text is the reason, and quotes nothing of its jobs."""


class _Headers(msgspec.Struct):
    """The headers that are validated; others are ignored."""

    task: str
    id: str
    eta: str | None = None
    expires: str | None = None


SHOWN = ("argsrepr", "kwargsrepr", "traceparent")
"""Headers for display: passed on if they are text, and never a reason to refuse a message."""


class _Embed(msgspec.Struct):
    """What Celery does after the task; only the types are validated."""

    callbacks: list[dict[str, Any]] | None = None
    errbacks: list[dict[str, Any]] | None = None
    chain: list[dict[str, Any]] | None = None
    chord: dict[str, Any] | None = None


class _Notification(msgspec.Struct, forbid_unknown_fields=True):
    """The keyword arguments of `provision.drain`."""

    v: int
    batch: str


@dataclass(frozen=True, slots=True)
class ValidMessage:
    """
    A message that Celery can execute.

    Attributes:
        headers: only those that Celery needs, or that are shown.
        body: args, kwargs, and what Celery does after the task.
    """

    task: str
    headers: dict[str, Any]
    body: tuple[list[Any], dict[str, Any], dict[str, Any]]


def read(headers: Mapping[str, Any], body: Any, now: datetime) -> ValidMessage:
    """
    Validates a message of Celery's protocol 2, or of protocol 1, which has everything in the body.

    Args:
        body: decoded from JSON.
    Raises: UnreadableError.
    """
    if isinstance(body, dict):
        headers = {**body, **{name: value for name, value in headers.items() if value is not None}}
        if not {"args", "kwargs"} & body.keys():
            raise UnreadableError("the body is an object without args and kwargs")
        body = [body.get("args") or [], body.get("kwargs") or {}, {}]
    read = _converted(dict(headers), _Headers, "the headers")
    _check_task(read.task)
    if not isinstance(body, list | tuple) or len(body) != 3:
        raise UnreadableError(Text("the body is {kind} and not [args, kwargs, embed]", kind=_kind(body)))
    args, kwargs, embed = body
    if not isinstance(args, list | tuple):
        raise UnreadableError(Text("the arguments (args) are {kind} and not a list", kind=_kind(args)))
    if not isinstance(kwargs, dict):
        raise UnreadableError(
            Text("the keyword arguments (kwargs) are {kind} and not an object", kind=_kind(kwargs))
        )
    _converted(embed or {}, _Embed, "the third part of the body")
    if read.task == DRAIN:
        _check_notification(args, kwargs)
    _check_times(read, now)
    clean: dict[str, Any] = {"lang": "py", "task": read.task, "id": read.id, "eta": read.eta, "retries": 0}
    clean |= {name: headers[name] for name in SHOWN if isinstance(headers.get(name), str)}
    return ValidMessage(read.task, clean, (list(args), kwargs, embed or {}))


def _converted(value: Any, to: type[Any], what: str) -> Any:
    try:
        return msgspec.convert(value, to)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise UnreadableError(Text("{what} cannot be read: {error}", what=what, error=error)) from None


def _check_task(task: str, tasks: Collection[str] = TASKS) -> None:
    if task not in tasks:
        near = difflib.get_close_matches(task[:100], tasks, n=1)
        raise UnreadableError(
            f"no task is named {task[:100]!r}" + (f"; did you mean {near[0]}?" if near else "")
        )


def _check_notification(args: Collection[Any], kwargs: Mapping[str, Any]) -> None:
    if args:
        raise UnreadableError("a notification takes only keyword arguments")
    notification = _converted(kwargs, _Notification, "the notification")
    if notification.v != VERSION:
        raise UnreadableError(
            Text(
                "a notification of version {given}; this worker supports version {version}",
                given=notification.v,
                version=VERSION,
            )
        )


def _check_times(read: _Headers, now: datetime) -> None:
    if read.eta is not None:
        _moment(read.eta, "eta")
    if read.expires is not None and _moment(read.expires, "expires") <= now:
        raise UnreadableError(Text("it expired at {expires}, before a worker took it", expires=read.expires))


def _moment(text: str, header: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UnreadableError(Text("the header {header} is not an ISO 8601 time", header=header)) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _kind(value: Any) -> str:
    """
    The type of a value from JSON, without the value.

    >>> [_kind(each) for each in (None, True, 1.5, "x", [1], {})]
    ['null', 'a boolean', 'a number', 'a text', 'a list of 1', 'an object']
    """
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return f"a list of {len(value)}"
    return "an object"
