"""The real door and the real worker, two processes: one trace from the caller's request to the POST."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from redis import Redis

from tests.support.commands import Desk, Running, running_worker, tenants, until
from tests.support.http_server import Server, job, make_token
from tests.support.otlp_collector import Collector, Seen, running_collector
from tests.support.sandbox_process import SandboxProcess, running_sandbox

SECRET = "s3cret-of-company-one"
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def _traceparent(flags: str = "01", trace: str = TRACE) -> str:
    return f"00-{trace}-{CALLER}-{flags}"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector to which every command of this test sends its spans."""
    with running_collector() as collector:
        for name, value in collector.environ.items():
            monkeypatch.setenv(name, value)
        yield collector


@pytest.fixture
def sandbox() -> Iterator[SandboxProcess]:
    with running_sandbox("--client", f"company-one:{SECRET}") as sandbox:
        yield sandbox


@pytest.fixture
def company(sandbox: SandboxProcess, redis_url: str) -> dict[str, str]:
    """Settings of whoever sends."""
    return {
        "API_URL": sandbox.url,
        "CLIENT_ID": "company-one",
        "CLIENT_SECRET": SECRET,
        "REDIS_URL": redis_url,
        "RATE": "unlimited",
        "BACKOFF_BASE": "0.01",
        "BACKOFF_CAP": "0.02",
        "ATTEMPTS": "100",
    }


def _serve(desk: Desk, redis_url: str) -> tuple[Running, Server]:
    token = make_token(redis_url, "onboarding", "submit", "read")
    running = desk.start("serve", "--port", "0", REDIS_URL=redis_url)
    log = desk.folder / "process-0.err"
    until(lambda: "serving at " in log.read_text(), "the server is up")
    line = next(line for line in log.read_text().splitlines() if line.startswith("serving at "))
    return running, Server(running.process, line.removeprefix("serving at ").strip(), log, token)


def _hand_over(server: Server, key: str, traceparent: str) -> httpx.Response:
    answer = server.post("/v1/jobs", job(key), traceparent=traceparent)
    assert answer.status_code == 202, answer.text
    return answer


def _settled(redis_url: str, count: int) -> None:
    with Redis.from_url(redis_url) as redis:
        [batch] = [key for key in redis.scan_iter("pv:{*}") if redis.type(key) == b"hash"]
        until(lambda: int(redis.hget(batch, "succeeded") or 0) == count, "the jobs have succeeded")


def test_one_trace_leads_from_the_caller_through_the_door_to_the_post(
    desk: Desk, redis_url: str, collector: Collector, sandbox: SandboxProcess, company: dict[str, str]
) -> None:
    sandbox.post_faults({"error-500": 1})
    served, server = _serve(desk, redis_url)
    with running_worker(desk, redis_url, **company) as worker:
        _hand_over(server, "tenant-lima", _traceparent())
        collector.until(lambda spans: any(span.name == "POST" for span in spans), "a failed POST")
        sandbox.post_faults({})
        spans = collector.until(lambda spans: any(span.name == "claim" for span in spans), "a claim")
    ended = [served.end(15), worker.end()]
    spans = [span for span in collector.spans if span.trace == TRACE]
    by_id = {span.span: span for span in spans}
    by_name: dict[str, list[Seen]] = {}
    for span in spans:
        by_name.setdefault(span.name, []).append(span)
    assert set(by_name) == {"POST /v1/jobs", "submit", "claim", "POST", "record"}
    [door], [submit], [claim] = by_name["POST /v1/jobs"], by_name["submit"], by_name["claim"]
    assert (door.parent, submit.parent, claim.parent) == (CALLER, door.span, submit.span)
    assert all(by_id[span.parent] is claim for span in by_name["POST"] + by_name["record"])
    *failed, last = sorted(by_name["POST"], key=lambda span: span.start)
    assert failed
    assert all(span.failed and span.attributes["http.response.status_code"] == 500 for span in failed)
    assert (last.failed, last.attributes["provision.outcome"], last.attributes["provision.evidence"]) == (
        False,
        "created",
        "answered",
    )
    for post, record in zip(by_name["POST"], by_name["record"], strict=True):
        assert claim.start <= post.start <= post.end <= record.end
    assert (door.resource["provision.program"], claim.resource["provision.program"]) == (
        "serve",
        "worker",
    )
    assert door.attributes["http.route"] == "/v1/jobs"
    assert door.attributes["provision.token"] == "onboarding"
    assert collector.paths == {"/v1/traces"}
    assert TRACE not in json.dumps(sandbox.last()), "the API documents no such header"
    wire = b"".join(collector.bodies)
    keys = [widget["key"] for widget in sandbox.widgets()["widgets"]]
    assert keys
    for secret in (SECRET, *keys, server.token, "tenant-lima", "100200300"):
        assert secret.encode() not in wire, secret
    assert all(ran.code == 0 for ran in ended), ended
    closing = [json.loads(line) for line in ended[1].err.splitlines() if '"job.succeeded"' in line]
    assert [line["trace_id"] for line in closing] == [TRACE]


def test_a_caller_who_does_not_sample_gets_no_spans_and_still_a_trace_in_the_log(
    desk: Desk, redis_url: str, collector: Collector, company: dict[str, str]
) -> None:
    served, server = _serve(desk, redis_url)
    with running_worker(desk, redis_url, **company) as worker:
        _hand_over(server, "k1", _traceparent("00", "ab" * 16))
        _hand_over(server, "k2", _traceparent("01"))
        _settled(redis_url, 2)
    served.end(15)
    logged = worker.end().err
    assert {span.trace for span in collector.spans} == {TRACE}
    assert f'"trace_id":"{"ab" * 16}"' in logged


def test_an_apply_begins_a_trace_of_its_own(
    desk: Desk, collector: Collector, company: dict[str, str], redis_url: str
) -> None:
    tenants(desk.folder / "tenants.csv", 2)
    with running_worker(desk, redis_url, **company):
        applied = desk.run("apply", "tenants.csv", "--json", **company)
        assert applied.code == 0, applied.err
    spans = collector.until(lambda spans: sum(span.name == "record" for span in spans) == 2, "two records")
    [submit] = [span for span in spans if span.name == "submit"]
    assert submit.parent == ""
    assert {span.trace for span in spans} == {submit.trace}
    assert [span.parent for span in spans if span.name == "claim"] == [submit.span] * 2
