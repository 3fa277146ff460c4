"""
The content of log lines and spans: an allow-list of fields, each with a shape.

Secrets are excluded by construction. A value is shown if it has the shape of its field: a number, a word from
a small alphabet, or a sentence of our own. Objects, bytes and other values are not shown. Of an exception,
its types and places are shown, and its text only if it is ours or Redis'; of a library's record, its template
and those arguments that are words. Known secrets of this process are also masked everywhere.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from provisioning.attempt import Evidence, Outcome
from provisioning.errors import InvalidInputError, ProvisioningError
from provisioning.lifecycle import State

Scalar = str | int | float | bool

MASKED: Final = "***"
LEFT_OUT: Final = "…"

LONGEST: Final = 500
"""Most characters of a text."""

FRAMES: Final = 20
"""Most frames of a traceback, the innermost."""

LINKS: Final = 3
"""Most exceptions of a chain."""

SHORTEST_SECRET: Final = 6
"""Secrets with fewer characters are not searched in texts: they would mask half of every sentence."""


@dataclass(frozen=True, slots=True)
class Field:
    """
    One field.

    Attributes:
        shape: returns the value as it may be shown; None if it may not.
        takes: the accepted values in words, for the reference.
    """

    shape: Callable[[object], Scalar | None]
    takes: str
    meaning: str


def _number(value: object) -> Scalar | None:
    if isinstance(value, float):
        return round(value, 6)
    return value if isinstance(value, int) else None


def _matching(pattern: str) -> Callable[[object], Scalar | None]:
    fits = re.compile(pattern).fullmatch

    def shape(value: object) -> Scalar | None:
        if not isinstance(value, str) or not fits(value) or _secrets.are_in(value):
            return None
        return str(value)

    return shape


def _one_of(words: Iterable[str]) -> Callable[[object], Scalar | None]:
    known = {str(word): str(word) for word in words}
    return lambda value: known.get(value) if isinstance(value, str) else None


def _text(value: object) -> Scalar | None:
    return scrub(value) if isinstance(value, str) else None


def _error(value: object) -> Scalar | None:
    return described(value) if isinstance(value, BaseException) else None


def _exception(value: object) -> Scalar | None:
    return traced(value) if isinstance(value, BaseException) else None


_NAME: Final = r"\w[\w.@+-]{0,127}"
_WORD: Final = r"[a-z][a-z0-9_]{0,63}"
_ADDRESS: Final = r"https?://[\w.:\[\]-]{1,255}(/[\w./-]{0,200})?"

FIELDS: Final[dict[str, Field]] = {
    "job_id": Field(_matching(r"[\w-]{1,40}\.[0-9]{1,12}"), "id", "The job."),
    "batch_id": Field(_matching(r"[\w-]{1,40}"), "id", "Its batch."),
    "trace_id": Field(_matching(r"[0-9a-f]{32}"), "id", "The trace of the request that submitted it."),
    "request_id": Field(
        _matching(r"[\w-]{8,64}"),
        "id",
        "`X-Request-Id` of the caller, or a generated one; also in the answer.",
    ),
    "task_id": Field(_matching(r"[\w-]{1,64}"), "id", "The Celery task."),
    "row": Field(_number, "number", "Row of its file; the header is row 1."),
    "attempt": Field(_number, "number", "Number of the attempt; the first is 1."),
    "attempts": Field(_number, "number", "POSTs of the job so far."),
    "silent_worker": Field(_matching(_NAME), "name", "The worker whose lease expired."),
    "credential": Field(
        _matching(r"\w[\w.@+-]{0,99}"), "name", "Name of the company's credentials, if it has no spaces."
    ),
    "state": Field(_one_of(State), "word", "State of the job after the event."),
    "outcome": Field(_one_of(Outcome), "word", "What the answer means."),
    "evidence": Field(_one_of(Evidence), "word", "How far the POST provably got."),
    "cause": Field(_matching(_WORD), "word", "Why; see [the causes](causes.md)."),
    "status": Field(_number, "number", "HTTP status."),
    "duration_s": Field(_number, "seconds", "Duration; of a job, since this worker claimed it."),
    "delay_s": Field(_number, "seconds", "Wait before the next attempt."),
    "least": Field(_number, "number", "Widgets that this drive created, at least."),
    "most": Field(_number, "number", "Widgets that may exist for the job, at most."),
    "scope": Field(
        _matching(rf"all|(batch|credential):\w[\w.@+-]{{0,99}}|target:{_ADDRESS}"),
        "words",
        "Scope of the hold.",
    ),
    "advice": Field(_text, "sentence", "What to do."),
    "doing": Field(_matching(r"[a-z][a-z ]{0,63}"), "words", "What was being done."),
    "error": Field(_error, "sentence", "The error, without user data."),
    "exception": Field(_exception, "lines", "The error and its place: types, files, lines, functions."),
    "kind": Field(_matching(r"[A-Za-z_]\w{0,63}"), "word", "Type of an error."),
    "trouble": Field(_text, "sentence", "The part that makes no progress."),
    "logger": Field(_matching(r"[\w.]{1,100}"), "name", "The library's logger."),
    "message": Field(_text, "sentence", "Its message, only words."),
    "known": Field(_number, "number", "Jobs and attempts that Redis still had unchanged."),
    "taken_up": Field(_number, "number", "Attempts that Redis had lost."),
    "restored": Field(_number, "number", "Jobs that Redis had lost."),
    "other": Field(_number, "number", "Jobs that Redis had lost, and that stay lost: `job.lost` names them."),
    "payloads": Field(_number, "number", "Deleted request bodies."),
    "results": Field(_number, "number", "Deleted widget keys."),
    "dead": Field(_number, "number", "Deleted dead letters."),
    "batches": Field(_number, "number", "Deleted batches."),
    "api_url": Field(_matching(_ADDRESS), "address", "The API."),
    "metrics_url": Field(_matching(_ADDRESS), "address", "Address of the metrics of a worker."),
    "max_in_flight": Field(_number, "number", "Concurrency limit: POSTs in flight."),
    "traced": Field(_number, "`true` or `false`", "Whether traces are sent."),
    "by": Field(_matching(_NAME), "name", "Who: a user and host, a token's name, or `celery`."),
    "act": Field(_matching(_WORD), "word", "What was done."),
    "on": Field(
        _matching(
            r"all|(batch|credential|token|user|owner):\w[\w.@+-]{0,99}"
            rf"|job:[\w-]{{1,40}}\.[0-9]{{1,12}}|target:{_ADDRESS}"
        ),
        "words",
        "Object of the action.",
    ),
    "handed_over": Field(_number, "number", "Jobs accepted by the ledger."),
    "new": Field(_number, "number", "Of these, new jobs."),
    "redriven": Field(_number, "number", "Of these, jobs queued again."),
    "method": Field(_matching(r"[A-Z]{3,10}"), "word", "HTTP method."),
    "route": Field(
        _matching(r"/[\w/{}.-]{0,200}"), "template", "The path as the OpenAPI has it; no ids, no query."
    ),
    "token": Field(_matching(r"[A-Za-z0-9][\w.-]{0,63}"), "name", "Name of the API token; never the token."),
    "idempotency_hash": Field(
        _matching(r"[0-9a-f]{12}"), "hash", "First characters of the SHA-256 of the Idempotency-Key."
    ),
    "refusal": Field(
        _one_of(["wrong_password", "wrong_token", "too_many", "busy", "no_scope", "used_link"]),
        "word",
        "Why a sign-in was refused.",
    ),
    "client": Field(_matching(r"[0-9a-fA-F.:]{2,45}"), "address", "IP address of the browser."),
    "left_out": Field(_number, "number", "Number of dropped events."),
    "told": Field(_matching(r"[a-z]+\.[a-z_]+"), "word", "The event that was sent."),
}
"""By name; an event lists those that it may have."""

CONTEXT: Final = ("program", "worker", "request_id", "job_id", "batch_id")
"""Fields that a line may get from its context."""

FIELDS["program"] = Field(_one_of(["worker", "serve", "cli"]), "word", "The program that logs the line.")
FIELDS["worker"] = Field(_matching(_NAME), "name", "The worker's name, as Celery has it.")


def fitting(names: Iterable[str], values: Mapping[str, object]) -> Iterator[tuple[str, Scalar]]:
    """Those of `values` with one of these names and its shape."""
    for name in names:
        value = values.get(name)
        if value is not None:
            shown = FIELDS[name].shape(value)
            if shown is not None:
                yield name, shown


# --- Known secrets of this process ---


class _Secrets:
    """Texts that are masked everywhere."""

    def __init__(self) -> None:
        self.words: frozenset[str] = frozenset()
        self.pattern: re.Pattern[str] | None = None

    def are_in(self, value: str) -> bool:
        return value in self.words or (self.pattern is not None and self.pattern.search(value) is not None)

    def add(self, words: Iterable[str]) -> None:
        self.words = self.words | {word for word in words if word}
        long = sorted((word for word in self.words if len(word) >= SHORTEST_SECRET), key=len, reverse=True)
        self.pattern = re.compile("|".join(map(re.escape, long))) if long else None


_secrets: Final = _Secrets()


def keep_secret(words: Iterable[str]) -> None:
    """Masks these in every line from now on."""
    _secrets.add(words)


_SCRUBBED: Final = (
    (re.compile(r"(\w+://)[^\s/@]+@"), rf"\1{MASKED}@"),  # user and password of an address
    (re.compile(r"(\w+://[^\s?#]+)[?#]\S*"), rf"\1?{MASKED}"),  # its query
    (re.compile(r"\b(Basic|Bearer)\s+\S+", re.IGNORECASE), rf"\1 {MASKED}"),
    (re.compile(r"\b(pvt_|whsec_)\S+"), rf"\1{MASKED}"),
)


def scrub(text: str) -> str:
    """A text without known secrets, passwords in addresses, queries, tokens; one line, cut at `LONGEST`."""
    if _secrets.pattern:
        text = _secrets.pattern.sub(MASKED, text)
    for pattern, instead in _SCRUBBED:
        text = pattern.sub(instead, text)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + LEFT_OUT


# --- Exceptions ---

_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\{.*\}|\[.*\]|<.*>|b'.*")


def described(error: BaseException) -> str:
    """
    An error, as far as it can be shown without anyone's data.

    Our own errors are shown with their message, except those about input. The system's are shown by number,
    Redis' without quoted parts. Of all others only the type is shown.
    """
    kind = type(error).__name__
    if isinstance(error, ProvisioningError):
        return kind if isinstance(error, InvalidInputError) else f"{kind}: {scrub(unquoted(error.message))}"
    if isinstance(error, OSError) and error.errno:
        return f"{kind}: {os.strerror(error.errno)}"
    if type(error).__module__.startswith("redis."):
        return f"{kind}: {scrub(unquoted(str(error).partition('with args')[0]))}"
    return kind


def unquoted(text: str) -> str:
    """A text without the parts in quotes or brackets."""
    return _QUOTED.sub(LEFT_OUT, text)


def traced(error: BaseException) -> str:
    """The error, its place, and its causes; no line of source, no local variable, no foreign text."""
    lines: list[str] = []
    link: BaseException | None = error
    for _ in range(LINKS):
        if link is None:
            break
        lines += [f"from {described(link)}" if lines else described(link), *_frames(link.__traceback__)]
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\n".join(lines)


def _frames(trace: TracebackType | None) -> list[str]:
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"  {_short(code.co_filename)}:{trace.tb_lineno} in {code.co_qualname}")
        trace = trace.tb_next
    return frames[-FRAMES:]


def _short(path: str) -> str:
    return "/".join(path.rsplit("/", 3)[-3:])


# --- Records of libraries ---

_WORDLIKE: Final = re.compile(r"[\w.:@/+*#-]{1,200}")
_UNLIKE_A_WORD: Final = re.compile(r"\S*[\d_]\S*|\S{25,}")

_PLUMBING: Final = ("celery", "kombu", "uvicorn")
"""Libraries that log hosts, queues and tasks: the arguments of their records are shown if they are words."""


def rendered(record: logging.LogRecord) -> str:
    """
    A library's message: the first line of its template, with those arguments that are numbers or words.

    Most libraries handle bodies and answers, and their messages may contain parts of them. So only plain
    words of their templates are shown, and no texts that they insert.
    """
    plumbing = record.name.partition(".")[0] in _PLUMBING
    template = str(record.msg)
    if not record.args:
        first = unquoted(template.split("\n", 1)[0])
        return scrub(first if plumbing else _UNLIKE_A_WORD.sub(LEFT_OUT, first))
    shown = _shown(record.args, plumbing=plumbing)
    try:
        filled = template % shown
    except (TypeError, ValueError, KeyError):
        filled = template
    return scrub(filled.split("\n", 1)[0])


def _shown(
    args: tuple[object, ...] | Mapping[str, object], *, plumbing: bool
) -> tuple[object, ...] | dict[str, object]:
    if isinstance(args, Mapping):
        return {name: _argument(value, plumbing=plumbing) for name, value in args.items()}
    return tuple(_argument(value, plumbing=plumbing) for value in args)


def _argument(value: object, *, plumbing: bool) -> object:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, BaseException):
        return _Plain(described(value))
    if isinstance(value, str) and plumbing and not _secrets.are_in(value):
        shown = scrub(value)
        if _WORDLIKE.fullmatch(shown):
            return _Plain(shown)
    return _Plain(LEFT_OUT)


class _Plain(str):
    """A text that looks the same under %s and %r."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)
