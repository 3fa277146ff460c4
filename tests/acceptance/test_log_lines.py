"""What the real programs write: JSON lines on standard error, one a job, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.commands import Desk, running_worker, tenants, until
from tests.support.http_server import csv_of, job, running_server
from tests.support.sandbox_process import SandboxProcess


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_worker_writes_json_from_its_start_to_its_end_and_one_line_closes_each_job(
    desk: Desk, redis_url: str, sandbox: SandboxProcess
) -> None:
    tenants(desk.folder / "tenants.csv", 20)
    sandbox.post_faults({"error-500": 0.3, "error-422": 0.2})
    with running_worker(desk, redis_url) as worker:
        applied = desk.run("apply", "tenants.csv", "--json", REDIS_URL=redis_url)
    ended = worker.end()
    lines = _lines(ended.err)
    assert ended.out == ""
    assert {(line["program"], line["worker"]) for line in lines} == {("worker", lines[0]["worker"])}
    events = [line["event"] for line in lines]
    for once in ("program.started", "stop.requested", "program.stopped"):
        assert events.count(once) == 1
    closing = {line["job_id"]: line for line in lines if "least" in line}
    jobs = desk.run("jobs", "tenants", "--json", REDIS_URL=redis_url).objects
    assert len(jobs) == 20 == sum("least" in line for line in lines)
    assert applied.last["states"]["succeeded"] < 20
    for each in jobs:
        line = closing[each["job"]]
        assert (line["state"], line["attempts"], line["row"], line["credential"]) == (
            each["state"],
            len(each["attempts"]),
            each["row"],
            each["credential"],
        )
        assert {"least": line["least"], "most": line["most"]} == each["bounds"]
    retries = sum(len(each["attempts"]) - 1 for each in jobs)
    assert events.count("retry.scheduled") == retries > 0


def test_a_request_is_one_line_that_names_its_route_and_token_and_no_secret(
    redis_url: str, tmp_path: Path
) -> None:
    with running_server(redis_url, tmp_path) as server:
        taken = server.post("/v1/jobs", job("tenant-lima"), Idempotency_Key="key-of-the-caller")
        batch = server.post("/v1/batches?name=shop", csv_of(3), Content_Type="text/csv")
        refused = server.client.get(
            "/v1/batches/tenant-lima",
            headers={"Authorization": "Bearer pvt_stolen", "X-Request-Id": "from-the-caller"},
        )
        server.get("/healthz")
        server.get("/unknown/tenant-lima", token=server.token)
        server.process.terminate()
        until(lambda: '"program.stopped"' in server.log.read_text(), "it has stopped")
    text = server.log.read_text()
    lines = _lines("\n".join(line for line in text.splitlines() if not line.startswith("serving at ")))
    answered = [line for line in lines if line["event"] == "request.answered"]
    assert [(line["method"], line["route"], line["status"]) for line in answered] == [
        ("POST", "/v1/jobs", 202),
        ("POST", "/v1/batches", 202),
        ("GET", "/v1/batches/{batch}", 401),
        ("GET", "/{unknown}", 404),
    ]
    assert [line["request_id"] for line in answered[:3]] == [
        taken.headers["x-request-id"],
        batch.headers["x-request-id"],
        "from-the-caller",
    ]
    assert refused.headers["x-request-id"] == "from-the-caller"
    assert answered[0]["token"] == answered[1]["token"]
    assert len(answered[0]["idempotency_hash"]) == 12
    [submitted] = [line for line in lines if line["event"] == "batch.submitted"]
    assert (submitted["request_id"], submitted["new"]) == (answered[1]["request_id"], 3)
    for secret in (server.token, "pvt_stolen", "key-of-the-caller", "tenant-lima", "100200300"):
        assert secret not in text, secret
