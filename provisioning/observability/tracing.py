"""
The thread from a request to its POSTs: W3C trace context, carried by every job; spans where they are wanted.

A traceparent that comes in through a door is handed on with the jobs, whether or not anything here traces.
Spans are made where an OTLP endpoint is set in the environment (`OTEL_EXPORTER_OTLP_ENDPOINT`) and the extra
`otel` is installed; without either nothing of OpenTelemetry is imported.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Final, Literal, Protocol

from provisioning.observability.log_events import TRACES_REFUSED
from provisioning.observability.logs import log_event

Kind = Literal["server", "producer", "consumer", "client", "internal"]

TRACED_JOBS: Final = 1000
"""Jobs of one submission that are traced; no viewer opens a trace of a million spans."""

_FORM: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")

_current: ContextVar[str] = ContextVar("traceparent", default="")


# --- Trace context ---


def read(header: str) -> str:
    """
    The traceparent in a header, as version 00 writes it; empty if it is none.

    Source: W3C Trace Context, sections 3.2 and 4.3.
    """
    found = _FORM.fullmatch(header.strip()) if len(header) <= 512 else None
    if found is None:
        return ""
    version, trace, parent, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not trace.strip("0") or not parent.strip("0"):
        return ""
    return f"00-{trace}-{parent}-{int(flags, 16) & 1:02x}"


def current() -> str:
    """The traceparent of what is being done here; empty if nobody traces."""
    return _current.get()


def trace_id(traceparent: str) -> str | None:
    """The trace of a traceparent; None without one."""
    return traceparent[3:35] or None


def is_sampled(traceparent: str) -> bool:
    """Whether whoever began the trace wants it recorded; true where nobody has begun one."""
    return not traceparent.endswith("-00")


@contextlib.contextmanager
def within(traceparent: str) -> Iterator[None]:
    """What is done in this block belongs to that trace."""
    before = _current.set(traceparent)
    try:
        yield
    finally:
        _current.reset(before)


def for_job(traceparent: str, number: int) -> str:
    """The traceparent of a submission's job; beyond `TRACED_JOBS` it names the trace and asks for no span."""
    return traceparent if number <= TRACED_JOBS or not traceparent else f"{traceparent[:-2]}00"


# --- Spans ---


class Span(Protocol):
    """Something that takes time. Its fields are those of `log_fields.FIELDS`, and nothing else."""

    @property
    def traceparent(self) -> str:
        """For what follows from it."""

    def rename(self, name: str) -> None:
        """Calls it otherwise, now that more is known."""

    def add(self, **fields: object) -> None:
        """Adds fields."""

    def end(self, *, at: float | None = None, failed: str = "") -> None:
        """Ends it, at Unix seconds `at` or now. Args: failed: the cause as one stable word."""


class Tracer(Protocol):
    """Makes spans."""

    def start(self, name: str, kind: Kind, parent: str, *, at: float | None = None, **fields: object) -> Span:
        """Begins a span below the traceparent `parent`, or a trace of its own, at Unix seconds or now."""

    def close(self) -> None:
        """Sends what is left, for a few seconds at most."""


class _NoSpan:
    """Where nothing is traced, the traceparent that came in is handed on."""

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent

    def rename(self, name: str) -> None:
        """Nothing has a name."""

    def add(self, **fields: object) -> None:
        """Nothing has fields."""

    def end(self, *, at: float | None = None, failed: str = "") -> None:
        """Nothing has an end."""


_tracer: Tracer | None = None


def configure(environ: Mapping[str, str], *, program: str, worker: str = "") -> Tracer | None:
    """
    Has this process trace if the environment says so. Called once, when it starts.

    Returns: what makes spans; None if nothing does.
    """
    global _tracer
    _tracer = None
    if not _wanted(environ):
        return None
    if importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is None:
        log_event(TRACES_REFUSED, advice="install the extra otel: pip install widget-provisioner[otel]")
        return None
    from provisioning.observability.otel import (
        OtelTracer,  # only here: it takes a third of a second, and may not be there
    )

    _tracer = OtelTracer(program=program, worker=worker)
    return _tracer


def _wanted(environ: Mapping[str, str]) -> bool:
    endpoint = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    off = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return bool(endpoint) and not off and environ.get("OTEL_TRACES_EXPORTER", "otlp").strip() != "none"


def close() -> None:
    """Sends what is left of the spans."""
    global _tracer
    if _tracer is not None:
        _tracer.close()
        _tracer = None


@contextlib.contextmanager
def span(name: str, kind: Kind, *, parent: str | None = None) -> Iterator[Span]:
    """
    A span around this block, below `parent` or what is being done here; it failed if the block raises.

    Where nothing is traced, its traceparent is its parent's.
    """
    above = current() if parent is None else parent
    made: Span = _NoSpan(above) if _tracer is None else _tracer.start(name, kind, above)
    with within(made.traceparent):
        try:
            yield made
        except BaseException as error:
            made.end(failed=type(error).__name__)
            raise
    made.end()
