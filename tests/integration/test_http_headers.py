"""What clients and proxies expect of HTTP: HEAD, ETags, compression, links to pages, rate limits, ids."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from provisioning.ledger import Ledger, Selection
from provisioning.ledger.tokens import Scope
from provisioning.lifecycle import Event, State
from tests.support.commands import until
from tests.support.http_server import Server, csv_of, job, problem, running_server
from tests.support.ledger_fixtures import Clock, answer, claim, fill, new_job, say, send

READ = [Scope.READ, Scope.SUBMIT, Scope.OPERATE]


@pytest.fixture(scope="module")
def server(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(valkey_url, tmp_path_factory.mktemp("headers"), API_RATE="5/s") as server:
        yield server


@pytest.fixture
async def client(server: Server, ledger: Ledger) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a token of its own, on an empty ledger."""
    _, token = await ledger.tokens.create(f"t{time.monotonic_ns()}", READ)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60) as client:
        yield client


def lines_of(server: Server, request_id: str) -> list[dict[str, Any]]:
    """The log lines of a request; the last, `request.answered`, is written after its answer is sent."""

    def read() -> list[dict[str, Any]]:
        whole = Path(server.log).read_text().rpartition("\n")[0]
        lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("request_id") == request_id]

    until(lambda: any(line["event"] == "request.answered" for line in read()), "the request is logged")
    return read()


async def test_a_batch_and_a_job_that_the_client_has_are_not_sent_again(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await fill(ledger, new_job("k1"))
    for path in ("/v1/batches", "/v1/batches/b1", "/v1/batches/b1/jobs", "/v1/jobs/b1.1", "/v1/jobs?key=k1"):
        first = await client.get(path)
        assert first.headers["Cache-Control"] == "private, no-cache"
        tag = first.headers["ETag"]
        for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
            same = await client.get(path, headers={"If-None-Match": known})
            assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag), path
        assert (await client.get(path, headers={"If-None-Match": 'W/"0"'})).status_code == 200
    tag = (await client.get("/v1/batches/b1")).headers["ETag"]
    await ledger.operations.cancel("b1", "ana")
    assert (await client.get("/v1/batches/b1", headers={"If-None-Match": tag})).status_code == 200


async def test_an_answer_with_widget_keys_is_not_to_be_stored(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await fill(ledger, new_job("k1"))
    _, token = await ledger.tokens.create("with-keys", [Scope.READ, Scope.KEYS])
    shown = await client.get("/v1/jobs/b1.1", headers={"Authorization": f"Bearer {token}"})
    assert shown.headers["Cache-Control"] == "no-store"
    assert "ETag" not in shown.headers


async def test_head_is_get_without_the_body(client: httpx.AsyncClient, ledger: Ledger) -> None:
    await fill(ledger, new_job("k1"))
    for path in ("/v1/batches/b1", "/v1/jobs/b1.1", "/v1/batches/none", "/healthz", "/v1/batches/b1/events"):
        head = await client.head(path)
        if "events" not in path:  # that has no end
            shown = await client.get(path)
            assert head.status_code == shown.status_code
            assert head.headers["Content-Type"] == shown.headers["Content-Type"]
            assert head.headers.get("ETag") == shown.headers.get("ETag")
        assert head.content == b""
    assert (
        (await client.head("/v1/batches/b1/events")).headers["Content-Type"].startswith("text/event-stream")
    )
    for path in ("/v1/batches/b1", "/v1/jobs", "/v1/batches/b1/pause"):
        refused = await client.request("PATCH", path)
        assert problem(refused) == "method-not-allowed"
        allowed = set(refused.headers["Allow"].split(", "))
        assert allowed in ({"GET", "HEAD"}, {"GET", "HEAD", "POST"}, {"POST"})


async def test_head_has_the_rate_and_the_log_line_of_its_get(
    server: Server, client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await fill(ledger, new_job("k1"))
    headers = {"X-Request-Id": f"head-{time.monotonic_ns()}"}
    head = await client.head("/v1/batches/b1", headers=headers)
    assert head.headers["RateLimit"].startswith('"token";r=')
    [line] = lines_of(server, headers["X-Request-Id"])
    assert (line["method"], line["route"]) == ("HEAD", "/v1/batches/{batch}")
    assert line["token"]


async def test_a_server_leaves_the_others_what_a_token_may_do(
    server: Server, client: httpx.AsyncClient, valkey_url: str, tmp_path: Path
) -> None:
    """Two requests at once are far below a rate that lets fifty come at once, whichever server each meets."""
    with running_server(valkey_url, tmp_path, server.token, API_RATE="5/s") as other:
        for _ in range(6):
            for url in (server.url, other.url):
                shown = await client.get(f"{url}/v1/batches/none")
                assert shown.status_code == 404, shown.text
            await asyncio.sleep(1.1)


async def test_long_answers_are_compressed_for_those_who_accept_it(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await fill(ledger, *(new_job(f"k{n}") for n in range(50)))
    path = "/v1/batches/b1/jobs"
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    packed = await client.get(path, headers={"Accept-Encoding": "gzip"})
    assert packed.json() == plain.json()
    assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 5
    assert packed.headers["ETag"] == plain.headers["ETag"]
    assert "Content-Encoding" not in (await client.get("/healthz")).headers


async def test_pages_are_linked(client: httpx.AsyncClient, ledger: Ledger) -> None:
    for number in range(3):
        await fill(ledger, *(new_job(f"k{number}-{n}") for n in range(3)), batch=f"b{number}")
    for first, member, count in (
        ("/v1/batches?limit=2&settled=false", "batches", 3),
        ("/v1/batches/b1/jobs?limit=2&state=queued", "jobs", 3),
    ):
        found: list[object] = []
        path: str | None = first
        while path:
            page = await client.get(path)
            found += page.json()[member]
            path = page.links.get("next", {}).get("url")
            assert (path is None) is (page.json()["next"] is None)
        assert len(found) == count


async def test_what_is_left_of_a_tokens_rate_is_in_every_answer(client: httpx.AsyncClient) -> None:
    left = []
    for _ in range(3):
        shown = await client.get("/v1/batches/none")
        assert shown.headers["RateLimit-Policy"] == '"token";q=50;w=10'
        name, remaining, reset = shown.headers["RateLimit"].split(";")
        assert name == '"token"'
        left.append(int(remaining.removeprefix("r=")))
        assert 0 <= int(reset.removeprefix("t=")) <= 10
    assert left[0] < 50
    assert left == sorted(left, reverse=True)
    refused = None
    for _ in range(60):
        refused = await client.get("/v1/batches/none")
        if refused.status_code == 429:
            break
    assert refused is not None
    assert problem(refused) == "too-fast"
    assert refused.headers["RateLimit"].startswith('"token";r=0;t=')
    assert int(refused.headers["Retry-After"]) >= 1
    assert "RateLimit" not in (await client.get("/healthz")).headers


async def test_an_expired_token_is_refused(client: httpx.AsyncClient, ledger: Ledger) -> None:
    _, token = await ledger.tokens.create("short", [Scope.READ], good_for=0.001)
    refused = await client.get("/v1/batches", headers={"Authorization": f"Bearer {token}"})
    assert (refused.status_code, problem(refused)) == (401, "no-token")
    assert "expired" in refused.json()["detail"]


async def test_every_line_of_a_request_has_its_id_and_the_name_of_its_token(
    server: Server, client: httpx.AsyncClient, ledger: Ledger
) -> None:
    _, token = await ledger.tokens.create("reads-only", [Scope.READ])
    ids = {"refused": "id-of-the-refused", "taken": "id-of-the-taken"}
    headers = {"Authorization": f"Bearer {token}", "X-Request-Id": ids["refused"]}
    refused = await client.post("/v1/jobs", json=job("x"), headers=headers)
    assert (refused.status_code, refused.headers["X-Request-Id"]) == (403, ids["refused"])
    rows = csv_of(2) + b"bad,(1),x\n"
    taken = await client.post(
        "/v1/batches?name=logged",
        content=rows,
        headers={"Content-Type": "text/csv", "X-Request-Id": ids["taken"]},
    )
    assert (taken.status_code, taken.json()["bad_rows"]) == (202, 1), taken.text
    of_refused = lines_of(server, ids["refused"])
    assert [(line["event"], line["token"]) for line in of_refused] == [("request.answered", "reads-only")]
    assert {line["event"] for line in lines_of(server, ids["taken"])} >= {
        "batch.submitted",
        "request.answered",
    }


async def test_a_tenant_is_found_by_its_key_in_all_batches(client: httpx.AsyncClient, ledger: Ledger) -> None:
    await fill(ledger, new_job("t1"), new_job("t2"))
    await fill(ledger, new_job("t1", "beta"), batch="b2")
    found = (await client.get("/v1/jobs", params={"key": "t1"})).json()
    assert sorted(each["job"] for each in found["jobs"]) == ["b1.1", "b2.1"]
    assert (found["deleted"], found["truncated"]) == ([], False)
    one = (await client.get("/v1/jobs", params={"key": "t*", "limit": 1})).json()
    assert (len(one["jobs"]), one["truncated"]) == (1, True)
    assert (await client.get("/v1/jobs", params={"key": "t1", "credential": "beta"})).json()["jobs"][0][
        "job"
    ] == "b2.1"
    assert (await client.get("/v1/jobs", params={"key": "none"})).json()["jobs"] == []
    assert (await client.get("/v1/jobs")).status_code == 422


async def test_attempts_are_counted_within_their_drive(
    client: httpx.AsyncClient, ledger: Ledger, clock: Clock
) -> None:
    await fill(ledger, new_job("k1"))
    for _ in range(2):
        [each] = await claim(ledger)
        await send(ledger, each)
        rejected = answer(each, Event.REJECTED)
        at = replace(rejected.attempt, at=clock())
        await say(ledger, replace(rejected, attempt=at))
        clock.advance(1)
        await ledger.operations.redrive("b1", Selection(State.DEAD), "ana")
    attempts = (await client.get("/v1/jobs/b1.1")).json()["attempts"]
    assert [(each["drive"], each["n"]) for each in attempts] == [(1, 1), (2, 1)]
