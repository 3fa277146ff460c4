"""SIGKILL in the middle of an upload: what was acknowledged is there, and the same key completes the rest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from provisioning.ledger.codec import StoredJob
from provisioning.lifecycle import State
from tests.support.http_server import PATIENCE, Server, csv_of, job, problem, running_server

ROWS = 20_000


@pytest.fixture
def redis(valkey_url: str) -> Iterator[Redis]:
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
        yield redis


def accepted(redis: Redis, name: str) -> int:
    """Jobs of a batch that the ledger has, and each of them whole."""
    batch: Any = redis.hget("pv:names", name)
    if batch is None:
        return 0
    key = f"pv:{{{batch.decode()}}}"
    return int(redis.hget(key, "accepted") or 0)


def whole(redis: Redis, name: str) -> None:
    """Every job of a batch is there with its body and its identity, and the sum holds."""
    batch: Any = redis.hget("pv:names", name)
    key = f"pv:{{{batch.decode()}}}"
    count = accepted(redis, name)
    assert redis.hlen(f"{key}:bodies") == count
    assert redis.hlen("pv:identity:default") == count
    assert redis.llen(f"{key}:ready:default") == count
    assert int(redis.hget(key, "queued") or 0) == count
    last: Any = redis.hget(f"{key}:jobs", str(count))
    assert StoredJob(last).state is State.QUEUED


def upload(server: Server, body: bytes) -> httpx.Response:
    return server.post("/v1/batches?name=large", body, Content_Type="text/csv", Idempotency_Key="large-1")


def until_taken(server: Server, body: bytes) -> httpx.Response:
    """Repeats an upload as a client does: a key that is in use is asked for again."""
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = upload(server, body)
        if answer.status_code != 409:
            return answer
        assert problem(answer) == "in-progress"
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["while the body comes in", "while it is handed over"])
def test_an_upload_that_was_killed_is_completed_by_repeating_it(
    redis: Redis, valkey_url: str, tmp_path: Path, moment: str
) -> None:
    body = csv_of(ROWS)
    with ThreadPoolExecutor(1) as pool, running_server(valkey_url, tmp_path) as first:
        acknowledged = first.post("/v1/jobs", job("acknowledged", credential="other")).json()["job"]
        if moment == "while the body comes in":

            def half() -> Iterator[bytes]:
                yield body[: len(body) // 2]
                first.process.kill()
                yield body[len(body) // 2 :]

            headers = {"Content-Type": "text/csv", "Idempotency-Key": "large-1"}
            with pytest.raises(httpx.TransportError):
                first.client.post("/v1/batches?name=large", content=half(), headers=headers)
            assert accepted(redis, "large") == 0
        else:
            answer = pool.submit(upload, first, body)
            deadline = time.monotonic() + PATIENCE
            while accepted(redis, "large") < 1000:
                assert time.monotonic() < deadline
            first.process.kill()
            first.process.wait()
            with pytest.raises(httpx.TransportError):
                answer.result(PATIENCE)
            assert 0 < accepted(redis, "large") < ROWS
            whole(redis, "large")
    with running_server(valkey_url, tmp_path, token=first.token) as second:
        assert second.get(f"/v1/jobs/{acknowledged}").json()["state"] == "queued"
        if moment == "while it is handed over":
            assert problem(upload(second, csv_of(3))) == "idempotency-key-reused"
        answer_again = until_taken(second, body)
        assert answer_again.status_code == 202, answer_again.text
        taken = answer_again.json()
        assert taken["rows"] == ROWS
        assert taken["verdicts"]["new"] + taken["verdicts"]["queued"] == ROWS
        assert accepted(redis, "large") == ROWS
        whole(redis, "large")
        replayed = upload(second, body)
        assert replayed.content == answer_again.content
