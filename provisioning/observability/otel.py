"""
Spans by OpenTelemetry, sent by OTLP over HTTP. All that is known of it is here.

Endpoint, headers, sampler and batching are those of the standard `OTEL_*` variables, which the SDK reads.
Imported by `tracing.configure` alone, and only where it is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as SdkSpan

from provisioning.observability.log_fields import FIELDS, fitting
from provisioning.observability.tracing import Kind, Span

SERVICE: Final = "widget-provisioner"

CLOSING: Final = 3_000
"""Milliseconds that the last spans have to be taken when a program ends; a supervisor often kills at 10 s."""

_KINDS: Final[Mapping[Kind, SpanKind]] = {
    "server": SpanKind.SERVER,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
    "client": SpanKind.CLIENT,
    "internal": SpanKind.INTERNAL,
}

_NAMES: Final = {
    # By OpenTelemetry's semantic conventions for HTTP; the other fields get a prefix.
    "method": "http.request.method",
    "status": "http.response.status_code",
    "route": "http.route",
}


class OtelTracer:
    """Makes spans and sends them from a thread of its own; what is not taken is dropped, never waited for."""

    def __init__(self, *, program: str, worker: str) -> None:
        resource = Resource.create()
        if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": SERVICE}))
        if worker:
            resource = resource.merge(Resource({"service.instance.id": worker}))
        limits = SpanLimits(max_span_attributes=32, max_span_attribute_length=256, max_events=0, max_links=0)
        self._provider = TracerProvider(
            resource=resource.merge(Resource({"provision.program": program})),
            span_limits=limits,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(SERVICE)

    def start(self, name: str, kind: Kind, parent: str, *, at: float | None = None, **fields: object) -> Span:
        """Begins a span."""
        made = self._tracer.start_span(
            name,
            context=_above(parent),
            kind=_KINDS[kind],
            attributes=_attributes(fields),
            start_time=_nanoseconds(at),
            record_exception=False,
            set_status_on_exception=False,
        )
        return _OtelSpan(made)

    def close(self) -> None:
        """Sends what is left."""
        self._provider.force_flush(CLOSING)
        self._provider.shutdown()


class _OtelSpan:
    def __init__(self, span: SdkSpan) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags) & 1:02x}"

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def add(self, **fields: object) -> None:
        self._span.set_attributes(_attributes(fields))

    def end(self, *, at: float | None = None, failed: str = "") -> None:
        if failed:
            # A description that is no stable word might quote somebody.
            shown = FIELDS["kind"].shape(failed)
            self._span.set_status(Status(StatusCode.ERROR, str(shown) if shown else None))
        self._span.end(_nanoseconds(at))


def _attributes(fields: Mapping[str, object]) -> dict[str, str | int | float | bool]:
    known = [name for name in fields if name in FIELDS]
    return {_NAMES.get(name, f"provision.{name}"): value for name, value in fitting(known, fields)}


def _above(traceparent: str) -> Context:
    if not traceparent:
        return Context()
    _, trace, parent, flags = traceparent.split("-")
    context = SpanContext(
        int(trace, 16), int(parent, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )
    return set_span_in_context(NonRecordingSpan(context), Context())


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1e9)
