"""
Every operation of a real server answers as the OpenAPI document says, and with nothing else.

So the schemas (`api/models.py`) and what the ledger's own values become as JSON cannot drift apart.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import msgspec
import pytest
from redis import Redis

from api.app import described
from api.events import FOLLOWED
from api.models import BatchEvent, Done, JobEvent, StateCounts, StreamEvent
from api.words import MEANINGS
from provisioning import scopes
from provisioning.learned_rate import LearnedRate
from provisioning.ledger import (
    Hold,
    Ledger,
    Outage,
    WorkerSign,
    keys,
    refused_messages,
    transitions,
    worker_registry,
)
from provisioning.ledger.records import SourceFile
from provisioning.ledger.schema import WEBHOOK_EVENTS, HoldKind
from provisioning.ledger.tokens import Scope
from provisioning.lifecycle import Event, State
from tests.support.http_server import PATIENCE, Server, csv_of, job, make_token, problem, running_server
from tests.support.ledger_fixtures import answer, claim, say, send
from tests.support.openapi_answers import Answers

DOCUMENT = described()
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def test_ids_of_operations_and_webhooks_are_each_given_once() -> None:
    hooks = [each["post"]["operationId"] for each in DOCUMENT["webhooks"].values()]
    ids = [operation["operationId"] for _, _, operation in OPERATIONS.values()] + hooks
    assert len(ids) == len(set(ids)) == 52 + len(hooks)


def test_every_event_of_a_webhook_is_described() -> None:
    assert list(DOCUMENT["webhooks"]) == [str(event) for event in WEBHOOK_EVENTS]
    of_models = [word for model in (BatchEvent, JobEvent) for word in _words(model.__name__, "type")]
    assert of_models == [str(event) for event in WEBHOOK_EVENTS]


def test_every_event_of_a_stream_is_described() -> None:
    assert set(_words(StreamEvent.__name__, "event")) == {"batch.progressed", *FOLLOWED}


def test_every_word_is_described() -> None:
    for words, (_, meanings) in MEANINGS.items():
        assert set(words) <= set(meanings), words
        assert DOCUMENT["components"]["schemas"][words.__name__]["enum"] == [str(word) for word in words]
    assert list(StateCounts.model_fields) == [str(state) for state in State]


def _words(schema: str, member: str) -> list[str]:
    found: list[str] = DOCUMENT["components"]["schemas"][schema]["properties"][member]["enum"]
    return found


class Receiver:
    """An address for webhooks, and what was delivered there."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        heard = self.heard

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.body = {"url": f"http://127.0.0.1:{self._server.server_port}/hook"}
        Thread(target=self._server.serve_forever, daemon=True).start()

    def wait(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while len(self.heard) < count:
            assert time.monotonic() < deadline, self.heard
            time.sleep(0.05)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@contextmanager
def checked(valkey_url: str, folder: Path, answers: Answers, **settings: str) -> Iterator[Server]:
    """A server each of whose answers is compared with the document."""
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
    token = make_token(valkey_url, "all", "submit", "read", "operate", "keys", all_owners=True)
    with running_server(valkey_url, folder, token, before=(), ready=True, **settings) as server:
        server.client.event_hooks = {"response": [answers.check]}
        yield server


@pytest.mark.slow
async def test_every_answer_is_as_the_document_says(
    valkey_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    answers = Answers(DOCUMENT)
    with checked(valkey_url, tmp_path, answers, API_RATE="unlimited", ALLOW_PRIVATE="true") as server:
        async with Ledger.at(valkey_url) as ledger:
            await _single_jobs(server, ledger, receiver)
            batch = _uploads(server)
            await _a_batch(server, ledger, receiver, batch)
            await _of_the_owner(server, ledger, receiver)
            await _first_few(server, ledger)
            await _sending(server, ledger)
            await _others(server, ledger)
            await _refusals(server, ledger)
    told = [answers.check_delivery(*each) for each in receiver.heard]
    assert set(told) == {str(event) for event in WEBHOOK_EVENTS}
    positive = {
        (name, int(status))
        for name, (_, _, operation) in OPERATIONS.items()
        for status in operation["responses"]
        if status.startswith("2")
    }
    assert positive <= answers.seen, positive - answers.seen
    assert not answers.unseen(), "documented, and in no answer"


async def _first_few(server: Server, ledger: Ledger) -> None:
    """The first row of a file is sent; the rest waits."""
    batch = server.post("/v1/batches?first=1&name=few", csv_of(2, "few"), Content_Type="text/csv").json()[
        "batch"
    ]
    for each in await claim(ledger, batch=batch):
        assert await send(ledger, each)
        await say(ledger, answer(each, Event.CREATED), batch=batch)
    assert not await claim(ledger, batch=batch)
    assert server.get(f"/v1/batches/{batch}").json()["paused"]
    assert server.post(f"/v1/batches/{batch}/resume").json()["done"] == Done.GOES_ON
    server.post(f"/v1/batches/{batch}/cancel?because=seen")


async def _single_jobs(server: Server, ledger: Ledger, receiver: Receiver) -> None:
    """Four ends of single jobs, each told to a webhook."""
    ids = [server.post("/v1/jobs", job(f"one-{n}")).json()["job"] for n in range(4)]
    assert server.post("/v1/jobs", job("one-0")).json()["verdict"] == "queued"
    batch = ids[0].partition(".")[0]
    for each in ids:
        assert server.client.put(f"/v1/jobs/{each}/webhook", json=receiver.body).status_code == 200
    assert server.get(f"/v1/jobs/{ids[0]}/webhook").status_code == 200
    assert server.client.get(f"/v1/jobs/{ids[0]}").json()["moves"][0]["move"] == "accepted"
    claimed = await claim(ledger, 3, batch=batch)
    for each, event in zip(claimed, (Event.CREATED, Event.REJECTED, Event.DOUBTED), strict=True):
        assert await send(ledger, each)
        await say(ledger, answer(each, event), batch=batch)
    assert server.post(f"/v1/batches/{batch}/cancel?because=enough").json()["done"] == Done.CANCELLED
    assert server.post("/v1/jobs", job("one-0")).status_code == 200
    for path in [f"/v1/jobs/{each}" for each in ids]:
        assert server.client.get(path).status_code == 200
    receiver.wait(4)
    _keep_up(server, f"/v1/jobs/{ids[0]}/webhook", receiver)
    assert server.client.delete(f"/v1/jobs/{ids[0]}/webhook").status_code == 204
    for found in ("absent", "created"):
        assert server.post(f"/v1/jobs/{ids[2]}/resolve", {"found": found}).status_code in (200, 409)
    assert server.get(f"/v1/batches/{batch}/jobs").status_code == 200


def _uploads(server: Server) -> str:
    """One batch by each kind of body."""
    key = {"Idempotency-Key": "april-1", "Content-Type": "text/csv"}
    rows = csv_of(6) + b"bad,no bot,normal\n"
    for replayed in (None, "true"):
        taken = server.client.post("/v1/batches?name=april", content=rows, headers=key)
        assert taken.status_code == 202, taken.text
        assert taken.headers.get("idempotent-replayed") == replayed
    assert taken.json()["bad_rows"] == 1
    tabs = csv_of(1, "tab").replace(b",", b"\t")
    server.post("/v1/batches", tabs, Content_Type="text/tab-separated-values")
    server.post(
        "/v1/batches", b'{"key":"line","bot":{"id":"100200300"}}\n', Content_Type="application/x-ndjson"
    )
    server.post("/v1/batches", {"name": "more", "jobs": [job("more"), job("k0")]})
    found: str = taken.json()["batch"]
    return found


async def _a_batch(server: Server, ledger: Ledger, receiver: Receiver, batch: str) -> None:
    """A batch with jobs in many states, holds and a webhook, until it has settled."""
    path = f"/v1/batches/{batch}"
    assert server.client.put(f"{path}/webhook", json=receiver.body).status_code == 200
    assert server.get(f"{path}/webhook").status_code == 200
    created, dead, doubted, again = await claim(ledger, 4, batch=batch)
    for each in (created, dead, doubted, again):
        assert await send(ledger, each)
    ends = ((created, Event.CREATED), (dead, Event.REJECTED), (doubted, Event.DOUBTED))
    await say(ledger, *(answer(each, event) for each, event in ends), batch=batch)
    await say(ledger, answer(again, Event.RETRY_DUE, reason="http_500", next_delay=4.0), batch=batch)
    heard = len(receiver.heard)
    where = {HoldKind.STOP_LOSS: scopes.of_batch(batch), HoldKind.BRAKE: scopes.of_credential("default")}
    for count, (kind, scope) in enumerate(where.items(), 1):
        await ledger.do(transitions.hold(Hold(scope=scope, at=1.0, by="w1", why="all alike", kind=kind)))
        receiver.wait(heard + count)
        assert len(server.get(path).json()["holds"]) == count
    await ledger.operations.release(scope)
    assert server.get(path).json()["brakes"][0]["trying"]
    for wanted in ("jobs", "jobs?limit=2", "jobs?state=dead", "history", "causes", "causes?state=in_doubt"):
        assert server.get(f"{path}/{wanted}").status_code == 200
    await ledger.do(transitions.add_source(batch, SourceFile("april.csv", "0" * 64, 6, "ana")))
    for file in ("created.csv", "failed.csv", "in_doubt.csv", "not_attempted.csv", "manifest.json"):
        assert server.get(f"{path}/outcomes/{file}").status_code == 200
    for act in ("resume", "pause", "pause", "resume", "resume", "redrive?dry_run=true", "redrive"):
        assert server.post(f"{path}/{act}").status_code == 200
    assert server.post(f"{path}/redrive?because=yes&state=cancelled").status_code == 200
    for act in ("redrive", "cancel&because=no", "resolve&found=absent&because=no&reason=x"):
        asked = server.post(f"{path}/bulk-acts?act={act}")
        assert asked.status_code == 202
        assert server.get(asked.headers["Location"]).status_code == 200
        assert server.post(f"{asked.headers['Location']}/cancel").status_code == 200
    assert server.get("/v1/bulk-acts").status_code == 200
    assert server.post(f"/v1/jobs/{doubted.job_id}/resolve", {"found": "created"}).status_code == 200
    assert server.post(f"{path}/cancel").status_code == 200
    receiver.wait(heard + 3)
    _follow(server, path)
    _keep_up(server, f"{path}/webhook", receiver)
    assert server.client.delete(f"{path}/webhook").status_code == 204
    assert server.get("/v1/batches", limit=1).json()["next"]
    assert server.get(f"{path}/history").json()["spans"][0]["ended"]["cancelled"]
    assert server.get("/v1/audit", limit=1).json()["next"]
    assert server.get("/v1/audit", on=batch, act="cancel").json()["acts"]


def _keep_up(server: Server, path: str, receiver: Receiver) -> None:
    """Everything that can be done with a webhook that has delivered."""
    heard = len(receiver.heard)
    assert server.post(f"{path}/test").json()["accepted"]
    receiver.heard.pop()  # a test event is no event of the document
    assert server.post(f"{path}/rotate").json()["secret"].startswith("whsec_")
    delivery = server.get(f"{path}/deliveries").json()["deliveries"][0]["id"]
    assert server.post(f"{path}/deliveries/{delivery}/redeliver").status_code == 202
    receiver.wait(heard + 1)


async def _of_the_owner(server: Server, ledger: Ledger, receiver: Receiver) -> None:
    """The webhook of an owner, which is told of all its batches."""
    body = {**receiver.body, "events": ["batch.settled"]}
    assert server.client.put("/v1/webhook", json=body).status_code == 200
    heard = len(receiver.heard)
    taken = server.post("/v1/batches", {"name": "may", "jobs": [job("may")]}).json()
    await ledger.operations.cancel(taken["batch"], "ana")
    receiver.wait(heard + 1)
    _keep_up(server, "/v1/webhook", receiver)
    assert server.get("/v1/webhook").json()["events"] == ["batch.settled"]
    assert server.client.delete("/v1/webhook").status_code == 204


def _follow(server: Server, path: str) -> None:
    """The stream to its end, and once more after its last event."""
    stream = server.get(f"{path}/events").text
    last = [line for line in stream.splitlines() if line.startswith("id: ")][-1].removeprefix("id: ")
    assert server.client.get(f"{path}/events", headers={"Last-Event-ID": last}).status_code == 204


async def _sending(server: Server, ledger: Ledger) -> None:
    """Workers, everything that may limit sending, and what a person may do about a credential."""
    down = Outage(certain=True, since=1.0, cause="read_timeout", next_probe=2.0)
    for name, rate in (("w1", "5/s"), ("w2", "6/s")):
        state = WorkerSign(
            name, 0.0, 3, 32, 5, 0.1, down, {"default": 9.5}, ["default", "acme"], {"rate": rate}
        )
        await worker_registry.sign(ledger, state, queue=None)
    redis: Any = ledger.redis
    learned = LearnedRate(9.5, 9.5, 1.0, 1.0)
    await redis.hset(keys.LEARNED, "default", msgspec.json.encode(learned))
    path = "/v1/credentials/acme"
    assert server.get(f"{path}/pace").json()["pace"] is None
    assert server.client.put(f"{path}/pace", json={"pace": "300/m"}).json()["pace"] == "5/s"
    for act in ("pause", "pause", "resume", "resume"):
        assert server.post(f"{path}/{act}").status_code == 200
    server.post(f"{path}/pause")
    shown = server.get("/v1/workers").json()
    assert {each["kind"] for each in shown["limits"]} == {"outage", "learned_rate", "pace", "concurrency"}
    assert server.post(f"{path}/resume").json()["done"] == Done.GOES_ON
    assert server.client.delete(f"{path}/pace").status_code == 204


async def _others(server: Server, ledger: Ledger) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert server.get(path).status_code == 200
    openmetrics = {"Accept": "application/openmetrics-text; version=1.0.0"}
    assert server.client.get("/metrics", headers=openmetrics).status_code == 200
    await refused_messages.keep(ledger, task="t", batch="b", reason="r", message={}, keys=["k"])
    assert server.get("/v1/refused-messages").json()["messages"]
    redis: Any = ledger.redis
    await redis.hset(keys.identity("default"), "one-gone", "bgone234.1=succeeded")
    found = server.get("/v1/jobs", key="one-*").json()
    assert (len(found["jobs"]), len(found["deleted"])) == (4, 1)


async def _refusals(server: Server, ledger: Ledger) -> None:
    """Refusals of every operation, and those that only some have."""
    client, nobody = server.client, {"Authorization": "Bearer pvt_x"}
    for method, path, operation in OPERATIONS.values():
        path = path.format(**ABSENT)
        body = SAMPLES.get(path) if "requestBody" in operation else None
        if operation["security"]:
            assert problem(client.request(method, path, headers=nobody)) == "no-token"
            assert problem(client.request(method, path + "?what=1")) == "invalid"
        if "b7777777" in path and operation["operationId"] != "set_owner_webhook":
            asked = path + QUERIES.get(operation["operationId"], "")
            assert problem(client.request(method, asked, json=body)) == "not-found"
        assert problem(client.request("TRACE", path)) == "method-not-allowed"
    twice = httpx.Headers([("Authorization", f"Bearer {server.token}")] * 2)
    client.headers.pop("authorization")
    assert problem(client.get("/v1/batches", headers=twice)) == "bad-request"
    client.headers["authorization"] = f"Bearer {server.token}"
    assert problem(client.get("/v1/batches/april/events", headers={"Last-Event-ID": "x"})) == "bad-request"
    for name, (sent, more) in REFUSED.items():
        assert problem(client.post("/v1/jobs", content=sent, headers=JSON | more)) == name
    key = {"Idempotency-Key": "april-1", "Content-Type": "text/csv"}
    assert problem(client.post("/v1/batches", content=b"key\n", headers=key)) == "idempotency-key-reused"
    strict = "/v1/batches?all_or_nothing=true"
    bad = server.post(strict, csv_of(40) + b"bad,no bot,normal\n", Content_Type="text/csv")
    assert problem(bad) == "bad-rows"
    known = server.post("/v1/jobs", job("one-1"))
    assert problem(known) == "not-accepted"
    dead = f"/v1/jobs/{known.json()['job']}/resolve"
    assert problem(server.post(dead, {"found": "absent"})) == "not-in-doubt"
    await _in_progress(server, ledger)


async def _in_progress(server: Server, ledger: Ledger) -> None:
    """The same request, while another server answers it."""
    body = json.dumps(job("busy")).encode()
    parts = ["POST", "/v1/jobs", "", JSON["Content-Type"], hashlib.sha256(body).hexdigest()]
    fingerprint = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    async with ledger.idempotency.turn(server.token.split("_")[1], "busy", fingerprint):
        busy = server.post("/v1/jobs", body, Idempotency_Key="busy", **JSON)
    assert problem(busy) == "in-progress"


ABSENT = {
    "batch": "b7777777",
    "job": "b7777777.1",
    "file": "failed.csv",
    "delivery": "msg_b7777777_1-0",
    "bulk_act": "a" * 16,
    "credential": "nobody",
}
"""Names of what is not there."""

JSON = {"Content-Type": "application/json"}
SAMPLES = {
    "/v1/jobs/b7777777.1/resolve": {"found": "absent"},
    "/v1/jobs/b7777777.1/webhook": {"url": "https://crm.example/"},
    "/v1/batches/b7777777/webhook": {"url": "https://crm.example/"},
}
"""Bodies of operations on what is not there."""

QUERIES = {"ask_for_bulk_act": "?act=redrive"}
"""Queries of operations that need one."""

REFUSED: dict[str, tuple[bytes, dict[str, str]]] = {
    "bad-idempotency-key": (b"{}", {"Idempotency-Key": "two words"}),
    "too-large": (b" " * 300_000, {}),
    "unsupported-content": (b"{}", {"Content-Type": "text/plain"}),
    "invalid": (b"{", {}),
    "bad-rows": (b'{"bot": 1}', {}),
}
"""Bodies and headers of single jobs that are refused, by the refusal."""


@pytest.mark.slow
def test_what_is_refused_for_now_is_as_the_document_says(valkey_url: str, tmp_path: Path) -> None:
    answers = Answers(DOCUMENT)
    with checked(valkey_url, tmp_path, answers, API_RATE="1/s", API_BACKLOG="1") as server:
        assert server.post("/v1/jobs", job("one")).status_code == 202
        deadline = time.monotonic() + PATIENCE
        while (full := server.post("/v1/jobs", job("two"))).status_code == 202:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        assert problem(full) == "backlog-full"
        while (fast := server.get("/v1/batches")).status_code == 200:
            assert time.monotonic() < deadline
        assert problem(fast) == "too-fast"
    assert {("submit_job", 503), ("list_batches", 429)} <= answers.seen


@pytest.mark.slow
def test_a_token_needs_one_of_the_scopes_that_the_document_names(valkey_url: str, tmp_path: Path) -> None:
    with checked(valkey_url, tmp_path, Answers(DOCUMENT), API_RATE="unlimited") as server:
        tokens = {
            str(scope): make_token(valkey_url, str(scope), str(scope), all_owners=True) for scope in Scope
        }
        for method, path, operation in OPERATIONS.values():
            path = path.format(**ABSENT)
            enough = [set(each["token"]) for each in operation["security"]]
            for scope, token in tokens.items():
                headers = {"Authorization": f"Bearer {token}"}
                status = server.client.request(method, path, headers=headers).status_code
                may = not enough or any(scopes <= {scope} for scopes in enough)
                assert (status == 403) != may, (method, path, scope)
