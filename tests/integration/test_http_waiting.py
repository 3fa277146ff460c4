"""A server that is there before its Redis, and stays while Redis is away."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from redis import Redis

from chaos.valkey import Valkey
from provisioning.ledger import keys
from provisioning.ledger.tokens import Scope
from provisioning.ledger.tokens import make_token as new_token
from tests.support.http_server import (
    PATIENCE,
    PROVISION,
    Server,
    environ,
    job,
    problem,
    running_server,
)


def _until_ready(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE
    while server.client.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def valkey(tmp_path: Path) -> Valkey:
    return Valkey(tmp_path, "everysec")


def test_a_server_waits_for_its_redis(valkey: Valkey, tmp_path: Path) -> None:
    token, secret = new_token("early", [Scope.SUBMIT, Scope.READ], 0.0)
    with running_server(valkey.url, tmp_path, token=secret, ready=False, API_TOKENS=token.preset) as server:
        try:
            for _ in range(2):
                assert server.client.get("/healthz").status_code == 200
                unready = server.client.get("/readyz")
                assert problem(unready) == "ledger-unavailable"
                refused = server.post("/v1/jobs", job("a"))
                assert (problem(refused), refused.headers["retry-after"]) == ("ledger-unavailable", "1")
                valkey.start()
                _until_ready(server)
                assert server.post("/v1/jobs", job("a")).status_code == 202
                valkey.stop()
        finally:
            valkey.kill()


def test_a_ledger_of_another_version_ends_a_new_server_and_makes_a_waiting_one_unready(
    valkey: Valkey, tmp_path: Path
) -> None:
    token, secret = new_token("early", [Scope.SUBMIT], 0.0)
    with running_server(valkey.url, tmp_path, token=secret, ready=False, API_TOKENS=token.preset) as server:
        valkey.start()
        try:
            # It comes up with the jobs of another version.
            with Redis.from_url(valkey.url) as redis:
                redis.set(keys.FORMAT, "99")
            before = server.client.get("/readyz").status_code
            done = subprocess.run(
                [PROVISION, "serve", "--port", "0"],
                env=environ(valkey.url),
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            assert (done.returncode, "format 99" in done.stderr) == (2, True)
            assert before == server.client.get("/readyz").status_code == 503
        finally:
            valkey.kill()


def test_health_may_be_asked_with_head(valkey_url: str, tmp_path: Path) -> None:
    with running_server(valkey_url, tmp_path) as server:
        for path in ("/healthz", "/readyz"):
            answer = server.client.head(path)
            assert (answer.status_code, answer.content) == (200, b"")
        refused = server.client.put("/healthz")
        assert problem(refused) == "method-not-allowed"
        assert refused.headers["allow"] == "GET, HEAD"


def test_a_server_without_room_for_temporary_files_tells_so_and_not_of_its_redis(
    valkey_url: str, tmp_path: Path
) -> None:
    with running_server(valkey_url, tmp_path, before=("prlimit", "--fsize=200000")) as server:
        rows = b"".join(b"%d,%d,%s\n" % (row, 10**9 + row, b"x" * 100) for row in range(12_000))
        refused = server.post(
            "/v1/batches?name=rows&all_or_nothing=true", b"key,bot.id,label\n" + rows, Content_Type="text/csv"
        )
        assert (refused.status_code, problem(refused)) == (507, "no-room")
        assert "temporary file" in refused.json()["detail"]
        assert problem(server.get("/v1/batches/rows")) == "not-found"
