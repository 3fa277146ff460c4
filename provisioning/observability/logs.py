"""
Logging of every program, set up in one place: structlog for our own events and for those of libraries.

One line per event: readable text on a terminal, else JSON; both on standard error, since standard output is
for data. `log_events` and `log_fields` define the content of a line.

Until `configure` is called, as in another program that imports this one, events go to the stdlib logger
`provision`.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import IO, TYPE_CHECKING, Final, Literal

import msgspec
from pydantic import SecretStr

from provisioning.config.credentials import load_credentials
from provisioning.config.settings import Settings
from provisioning.errors import ConfigurationError
from provisioning.observability.log_events import EVENTS, LIBRARY_LOGGED, LOG_FAILED, Event
from provisioning.observability.log_fields import CONTEXT, fitting, keep_secret, rendered

if TYPE_CHECKING:
    # Its import takes 60 ms, which a command that logs nothing should not spend: imported where it is used.
    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

Program = Literal["worker", "serve", "cli"]
Format = Literal["auto", "json", "text"]

LIBRARIES: Final = {
    # Celery's lines about the connection and its start are kept. Its two lines for every notification, of
    # which there is one a second while there is work, are left out, and so is httpx's line for every POST.
    "": logging.WARNING,
    "celery": logging.INFO,
    "celery.app.trace": logging.WARNING,
    "celery.worker.strategy": logging.WARNING,
    "httpx": logging.WARNING,
    "uvicorn.error": logging.WARNING,
}
"""The lowest level of libraries, by logger. None goes below: at debug, some show whole messages."""


def configure(
    program: Program,
    settings: Settings,
    *,
    worker: str = "",
    least: int = logging.NOTSET,
    stream: IO[str] | None = None,
) -> None:
    """
    Sets up logging by the settings. Called once, before the first event; a second call replaces it.

    Args:
        worker: the worker's name; it is in every line.
        least: the lowest level, whatever the settings say.
        stream: standard error unless given.
    """
    keep_secret(secrets_of(settings))
    stream = stream or sys.stderr
    level = max(least, logging.getLevelNamesMapping()[settings.log_level.upper()])
    always: dict[str, str] = {"program": program} | ({"worker": worker} if worker else {})
    outlet = Outlet(stream)
    render = cache(lambda: renderer(settings.log_format, stream))
    _speak(level, lambda: make_logger(outlet, render(), level, always))
    _hear_libraries(outlet, render, level, always)


def secrets_of(settings: Settings) -> Iterator[str]:
    """Every secret in the settings or in the files that they name."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            text = value.get_secret_value()
            if "://" in text:  # only the password of an address is secret
                yield text.rpartition("@")[0].partition("://")[2].partition(":")[2]
            else:
                yield from text.replace(",", " ").split()
    with contextlib.suppress(ConfigurationError):  # the code that needs them reports the problem
        for credential in load_credentials(settings).values():
            yield credential.client_secret
            yield credential.authorization.partition(" ")[2]


class Outlet:
    """Writes whole lines to a stream. One that is full or gone takes nothing, and harms nobody."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._binary: IO[bytes] | None = getattr(stream, "buffer", None)

    def msg(self, line: bytes | str) -> None:
        """Writes one line."""
        with contextlib.suppress(OSError, ValueError):
            if isinstance(line, bytes) and self._binary is not None:
                self._binary.write(line + b"\n")
                self._binary.flush()
            else:
                self._stream.write((line.decode() if isinstance(line, bytes) else line) + "\n")
                self._stream.flush()

    debug = info = warning = error = critical = msg


# --- A line ---


def renderer(form: Format, stream: IO[str]) -> Processor:
    """JSON, or text for people; `auto` is text on a terminal."""
    terminal = stream.isatty()
    if form == "json" or (form == "auto" and not terminal):
        return _to_json
    from structlog.dev import ConsoleRenderer

    return ConsoleRenderer(colors=terminal, pad_event_to=20, sort_keys=False)


_encode = msgspec.json.Encoder().encode


def _to_json(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    return _encode(event)


def make_logger(outlet: object, render: Processor, level: int, always: EventDict) -> FilteringBoundLogger:
    """A logger that says catalogued events, with nothing in them that does not fit."""
    import structlog

    logger: FilteringBoundLogger = structlog.wrap_logger(
        outlet,
        processors=[_vetting(always), render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    ).bind()
    return logger


def _vetting(always: EventDict) -> Processor:
    """Makes a line of an event: time, level, name, where it was said, and those of its fields that fit."""
    from structlog.contextvars import get_contextvars

    def vet(_: WrappedLogger, method: str, given: EventDict) -> EventDict:
        event = EVENTS[given["event"]]
        line: EventDict = {"timestamp": now(), "level": method, "event": event.name, **always}
        if context := get_contextvars():
            line.update(fitting(CONTEXT, context))
        line.update(fitting(event.fields, given))
        return line

    return vet


_second = (0, "")


def now() -> str:
    """The time as RFC 3339 has it, UTC, to the millisecond."""
    global _second
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    if seconds != _second[0]:
        _second = (seconds, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)))
    return f"{_second[1]}.{rest // 1_000_000:03}Z"


# --- Saying ---


def _to_stdlib(_: WrappedLogger, __: str, event: EventDict) -> str:
    rest = {name: value for name, value in event.items() if name not in ("timestamp", "level", "event")}
    return " ".join([event["event"], *(f"{name}={value!r}" for name, value in rest.items())])


class _Writer:
    """What `say` speaks with: made when something is said for the first time."""

    def __init__(self, level: int, make: Callable[[], FilteringBoundLogger]) -> None:
        self.level = level
        self._make = make
        self._logger: FilteringBoundLogger | None = None

    def write(self, event: Event, fields: dict[str, object]) -> None:
        if self._logger is None:
            self._logger = self._make()
        self._logger.log(event.level, event.name, **fields)


_writer = _Writer(
    logging.NOTSET, lambda: make_logger(logging.getLogger("provision"), _to_stdlib, logging.NOTSET, {})
)


def _speak(level: int, make: Callable[[], FilteringBoundLogger]) -> None:
    global _writer, _seldom
    _writer, _seldom = _Writer(level, make), Seldom()


def wanted(event: Event) -> bool:
    """Whether a line of this event would be written: ask before work that is only for the line."""
    return event.level >= _writer.level


class Seldom:
    """Lets a line through once in `Event.every` seconds, for each thing that is done and each error."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, str, str], float] = {}

    def due(self, event: Event, fields: Mapping[str, object], now: float) -> bool:
        """Whether a line is to be written now, in monotonic seconds."""
        same = (event.name, str(fields.get("doing")), str(fields.get("error")))
        last = self._written.get(same)
        if last is not None and now - last < event.every:
            return False
        if len(self._written) >= 100:
            self._written.clear()
        self._written[same] = now
        return True


_seldom = Seldom()


def log_event(event: Event, **fields: object) -> None:
    """Logs an event. Never raises; fields that it does not have, or that do not fit, are left out."""
    if event.level < _writer.level:
        return
    try:
        if event.every and not _seldom.due(event, fields, time.monotonic()):
            return
        _writer.write(event, fields)
    except Exception as error:  # noqa: BLE001 - a line is never worth a job
        with contextlib.suppress(Exception):
            _writer.write(LOG_FAILED, {"kind": type(error).__name__})


def bound(**fields: str) -> contextlib.AbstractContextManager[None]:
    """Within this block, and in tasks begun in it, every line has these fields of `log_fields.CONTEXT`."""
    from structlog.contextvars import bound_contextvars

    return bound_contextvars(**fields)


# --- Libraries ---


class _Library(logging.Handler):
    """Makes lines of ours of what libraries log."""

    def __init__(self, outlet: Outlet, render: Callable[[], Processor], always: EventDict) -> None:
        super().__init__()
        self._outlet = outlet
        self._render = render
        self._always = always

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record down. Never raises."""
        try:
            level = record.levelname.lower()
            self._outlet.msg(self._render()(None, level, self._line(level, record)))  # type: ignore[arg-type]
        except Exception:  # noqa: BLE001 - a line is never worth a job
            log_event(LOG_FAILED, kind="library")

    def _line(self, level: str, record: logging.LogRecord) -> EventDict:
        from structlog.contextvars import get_contextvars

        error = record.exc_info[1] if record.exc_info else None
        facts = {"logger": record.name, "message": rendered(record), "exception": error}
        return {
            "timestamp": now(),
            "level": level,
            "event": LIBRARY_LOGGED.name,
            **self._always,
            **dict(fitting(CONTEXT, get_contextvars())),
            **dict(fitting(LIBRARY_LOGGED.fields, facts)),
        }


def _hear_libraries(outlet: Outlet, render: Callable[[], Processor], level: int, always: EventDict) -> None:
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, _Library):
            root.removeHandler(handler)
    root.addHandler(_Library(outlet, render, always))
    logging.captureWarnings(True)
    for name, lowest in LIBRARIES.items():
        logging.getLogger(name).setLevel(max(lowest, level))
