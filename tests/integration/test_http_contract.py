"""The committed OpenAPI is that of the code, and the server answers as it says, whatever it is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from redis import Redis

from api.app import described
from api.problem import Kind
from tests.support.http_server import csv_of, environ, job, make_token, running_server
from tests.support.repository import ROOT

PAGE = ROOT / "docs" / "reference" / "http-api.openapi.json"
EXAMPLES = 5
"""Requests drawn for each operation, beside some forty that are always made."""


def test_the_committed_description_is_that_of_the_code() -> None:
    assert json.loads(PAGE.read_text(encoding="utf-8")) == described(), "run script/make-openapi"


def test_every_example_of_a_body_fits_its_schema() -> None:
    count = 0
    document = described()
    for methods in document["paths"].values():
        for operation in methods.values():
            for body in operation.get("requestBody", {}).get("content", {}).values():
                for example in body.get("examples", {}).values():
                    schema = {**body["schema"], "components": document["components"]}
                    jsonschema.validate(example["value"], schema)
                    count += 1
    assert count >= 5


def test_every_refusal_has_a_type_of_its_own() -> None:
    assert len({kind.type for kind in Kind}) == len(Kind)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_schemathesis_finds_no_server_error_and_no_undocumented_answer(
    valkey_url: str, tmp_path: Path
) -> None:
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
    token = make_token(valkey_url, "all", "submit", "read", "operate", "keys", all_owners=True)
    with running_server(valkey_url, tmp_path, token, API_RATE="unlimited") as server:
        server.post("/v1/jobs", job("there"))
        server.post("/v1/batches?name=there", csv_of(3), Content_Type="text/csv")
        server.post("/v1/batches/there/cancel")
        command = [
            str(Path(sys.executable).parent / "schemathesis"),
            "run",
            str(PAGE),
            f"--url={server.url}",
            f"--header=Authorization: Bearer {server.token}",
            # What makes a row good is more than a schema can say: a body that fits it may be refused.
            "--exclude-checks=positive_data_acceptance",
            "--phases=examples,coverage,fuzzing",
            f"--max-examples={EXAMPLES}",
            "--request-timeout=20",
            "--seed=1",
            "--no-color",
        ]
        done = subprocess.run(
            command, cwd=tmp_path, env=environ(valkey_url), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-8000:]
        assert "52 selected / 52 total" in done.stdout
        assert server.client.get("/readyz").status_code == 200
        assert "Traceback" not in server.log.read_text()
