"""The client of other services, against a real server and a real broker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from celery import Celery
from provision_client import AsyncClient, Client, RefusedError, send_message
from provision_client.requests import wait_before
from redis import Redis

from tests.support.http_server import Server, csv_of, job, running_server
from tests.support.repository import ROOT


@pytest.fixture(scope="module")
def server(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
    with running_server(valkey_url, tmp_path_factory.mktemp("serve")) as server:
        yield server


def test_a_service_hands_over_and_looks(server: Server) -> None:
    with Client(server.url, server.token) as client:
        taken = client.submit_job(job("a"))
        assert client.job(taken["job"])["state"] == "queued"
        many = client.submit_batch([job("b"), job("c"), {"key": "d"}], name="several")
        assert (many["accepted"], many["bad_rows"]) == (2, 1)
        assert [each["key"] for each in client.jobs("several")] == ["b", "c"]
        file = client.submit_file(csv_of(250, "f"), name="file")
        assert file["accepted"] == 250
        assert len(list(client.jobs(file["batch"], state="queued"))) == 250
        server.post("/v1/batches/file/cancel")
        assert client.wait("file")["states"]["cancelled"] == 250


def test_a_batch_of_any_name_is_found(server: Server) -> None:
    with Client(server.url, server.token) as client:
        for name in ("what? #1", "100%2F", "ñandú & co"):
            client.submit_batch([job(f"of {name}")], name=name)
            assert client.batch(name)["name"] == name
            assert [each["key"] for each in client.jobs(name)] == [f"of {name}"]


async def test_the_same_with_await(server: Server) -> None:
    async with AsyncClient(server.url, server.token) as client:
        taken = await client.submit_job(job("x"), idempotency_key="x-1")
        assert await client.submit_job(job("x"), idempotency_key="x-1") == taken
        many = await client.submit_batch([job("y")], name="async")
        assert (await client.batch(many["batch"]))["accepted"] == 1
        assert [each["key"] async for each in client.jobs("async")] == ["y"]
        await client.submit_file(csv_of(2, "z"), name="async-file")
        server.post("/v1/batches/async-file/cancel")
        assert (await client.wait("async-file"))["settled"] is True


def test_a_refusal_is_an_error_with_its_kind(server: Server) -> None:
    with Client(server.url, server.token) as client:
        with pytest.raises(RefusedError) as refused:
            client.submit_job({"key": "x"})
        assert (refused.value.status, refused.value.kind) == (422, "bad-rows")
        with pytest.raises(RefusedError, match="404"):
            client.batch("nope")


def test_what_was_not_answered_is_said_again_with_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[httpx.TransportError | httpx.Response] = [
        httpx.ConnectError("down"),
        httpx.Response(503),
        httpx.Response(202, json={"job": "b.1"}),
    ]
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        said = answers.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    monkeypatch.setattr("provision_client._sync.client.wait_before", lambda *_: 0.0)
    client = Client("http://test", "t")
    client._http = httpx.Client(base_url="http://test", transport=httpx.MockTransport(answer))
    assert client.submit_job(job("a")) == {"job": "b.1"}
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_the_server_says_how_long_to_wait() -> None:
    assert wait_before(1, httpx.Response(429, headers={"Retry-After": "3"})) == 3
    assert wait_before(1, httpx.Response(503, headers={"Retry-After": "99999"})) == 10
    assert 0.1 <= wait_before(1, None) <= 0.2
    assert wait_before(30, None) <= 10


def test_a_message_goes_to_the_broker(valkey_url: str, tmp_path: Path) -> None:
    app = Celery("other", broker=valkey_url)
    with Redis.from_url(valkey_url) as redis:
        before = redis.llen("celery")
        send_message(app, [job("m")], batch="b")
        assert redis.llen("celery") == before + 1
        redis.delete("celery")
    app.close()


def test_the_client_for_blocking_code_is_made_of_the_other() -> None:
    made = subprocess.run([ROOT / "script" / "make-client", "--check"], check=False)
    assert made.returncode == 0, "run script/make-client"


def test_a_service_that_installs_the_client_gets_httpx_and_nothing_of_ours(tmp_path: Path) -> None:
    program = (
        "import sys, provision_client\n"
        "ours = {'celery', 'fastapi', 'redis', 'provisioning', 'producers', 'worker', 'console', 'api'}\n"
        "print(sorted(ours & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
