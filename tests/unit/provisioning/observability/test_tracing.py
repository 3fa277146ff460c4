"""Trace context as values, and what tracing costs where nobody wants it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from provisioning.observability import tracing
from tests.support.repository import ROOT

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{PARENT}-01"


@pytest.mark.parametrize(
    ("header", "read"),
    [
        (GOOD, GOOD),
        (f" {GOOD} ", GOOD),
        (f"00-{TRACE}-{PARENT}-00", f"00-{TRACE}-{PARENT}-00"),
        (f"00-{TRACE}-{PARENT}-03", GOOD),  # a flag that version 00 does not know is not handed on
        (f"cc-{TRACE}-{PARENT}-01-what-the-future-will-bring", GOOD),
        (f"{GOOD}-more", ""),
        (f"ff-{TRACE}-{PARENT}-01", ""),
        (f"00-{'0' * 32}-{PARENT}-01", ""),
        (f"00-{TRACE}-{'0' * 16}-01", ""),
        (f"00-{TRACE.upper()}-{PARENT}-01", ""),
        (f"cc-{TRACE}-{PARENT}-01-{'x' * 600}", ""),
        ("", ""),
        ("pv:{B}\r\nevil", ""),
    ],
)
def test_a_header_is_read_as_w3c_says(header: str, read: str) -> None:
    assert tracing.read(header) == read


def test_of_a_large_submission_the_first_jobs_are_traced_and_all_name_the_trace() -> None:
    traces = [tracing.for_job(GOOD, number) for number in (1, tracing.TRACED_JOBS, tracing.TRACED_JOBS + 1)]
    assert [tracing.is_sampled(trace) for trace in traces] == [True, True, False]
    assert {tracing.trace_id(trace) for trace in traces} == {TRACE}
    assert tracing.for_job("", 5000) == ""


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_where_nobody_traces_the_traceparent_is_handed_on(environ: dict[str, str]) -> None:
    assert tracing.configure(environ, program="worker") is None
    with tracing.span("submit", "producer", parent=GOOD) as span:
        assert tracing.current() == span.traceparent == GOOD
    assert tracing.current() == ""


def test_without_an_endpoint_nothing_is_imported_to_trace_with() -> None:
    # redis-py and FastAPI look for OpenTelemetry by themselves; what makes and sends spans is ours alone.
    program = (
        "import sys, console.cli.app, producers.submit, worker.dispatch.engine\n"
        "import worker.events.traces, worker.events.log_listener\n"
        "from provisioning.observability import tracing\n"
        "tracing.configure({}, program='worker')\n"
        "with tracing.span('submit', 'producer'): pass\n"
        "ours = ('structlog', 'provisioning.observability.otel')\n"
        "ours += ('opentelemetry.exporter', 'opentelemetry.sdk.trace')\n"
        "print([name for name in sys.modules if name.startswith(ours)])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_without_the_extra_it_is_said_and_nothing_is_traced() -> None:
    program = (
        "import importlib.util\n"
        "importlib.util.find_spec = lambda name: None\n"
        "from provisioning.observability import tracing\n"
        "endpoint = {'OTEL_EXPORTER_OTLP_ENDPOINT': 'http://127.0.0.1:1'}\n"
        "assert tracing.configure(endpoint, program='worker') is None\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert "traces.refused" in done.stderr
    assert "widget-provisioner[otel]" in done.stderr
