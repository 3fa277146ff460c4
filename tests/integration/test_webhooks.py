"""Webhooks: who is told what, how it is signed, what happens when nobody listens."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.fernet import Fernet
from redis import Redis

from api.webhook_delivery import LEASE, Webhooks
from api.webhook_post import sign
from producers.pull.addresses import session
from producers.submit import submit
from provisioning import scopes
from provisioning.errors import InvalidInputError
from provisioning.ledger import Hold, Ledger, keys, transitions
from provisioning.ledger.encryption import KeylessError
from provisioning.ledger.webhooks import Came, WebhookState
from tests.support.engine_bench import jobs
from tests.support.http_server import csv_of, make_token, problem, running_server
from tests.support.ledger_fixtures import Clock, fill, new_job


def test_the_signature_is_that_of_the_specification() -> None:
    """The example of the Standard Webhooks specification's libraries."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    said = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


class Receiver:
    """Somebody who is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        return await self.answer(request)

    async def answer(self, request: web.Request) -> web.Response:
        self.heard.append((dict(request.headers), await request.read()))
        return web.Response(status=self.answers.pop(0) if self.answers else 204)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.handle)
    server = TestServer(app)
    await server.start_server()
    receiver.url = str(server.make_url("/hook"))
    yield receiver
    await server.close()


async def batch_of(ledger: Ledger, count: int = 2) -> str:
    done = await submit(ledger, jobs(count), name="told", actor="test", notify=lambda _: None)
    return done.batch


async def state_of(webhooks: Webhooks, on: str) -> WebhookState:
    found = await webhooks.get(on)
    assert found is not None
    return found[1]


async def tell(webhooks: Webhooks, *, allow_private: bool = True) -> int:
    async with session(allow_private=allow_private) as http:
        return await webhooks.run_once(http)


async def test_the_end_of_a_batch_is_told_once_and_signed(ledger: Ledger, receiver: Receiver) -> None:
    batch = await batch_of(ledger)
    webhooks = Webhooks(ledger, allow_private=True)
    webhook = await webhooks.set(batch, receiver.url)
    assert await tell(webhooks) == 0  # it has only begun
    await ledger.operations.cancel(batch, "ana")
    assert [await tell(webhooks) for _ in range(3)] == [1, 0, 0]
    [(headers, body)] = receiver.heard
    said = json.loads(body)
    assert said["type"] == "batch.settled"
    assert said["data"]["states"]["cancelled"] == 2
    names = ("webhook-id", "webhook-timestamp")
    signed = ".".join(headers[name] for name in names).encode() + b"." + body
    key = base64.b64decode(webhook.secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


@pytest.mark.parametrize(("kind", "event"), [("stop_loss", "batch.stopped"), ("brake", "batch.braked")])
async def test_a_hold_by_the_program_is_told(
    ledger: Ledger, receiver: Receiver, kind: str, event: str
) -> None:
    batch = await batch_of(ledger)
    webhooks = Webhooks(ledger, allow_private=True)
    await webhooks.set(batch, receiver.url)
    await tell(webhooks)
    hold = Hold(scope=scopes.of_batch(batch), at=1.0, by="w1", why="all alike", kind=kind)
    await ledger.do(transitions.hold(hold))
    assert await tell(webhooks) == 1
    [(_, body)] = receiver.heard
    assert json.loads(body)["type"] == event


async def test_a_receiver_that_is_down_is_told_again_under_the_same_id(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    webhooks = Webhooks(ledger, allow_private=True, backoff=(5.0, 30.0), clock=clock)
    batch = await batch_of(ledger)
    await webhooks.set(batch, receiver.url)
    await ledger.operations.cancel(batch, "ana")
    receiver.answers = [500, 302]
    assert await tell(webhooks) == 0
    assert await tell(webhooks) == 0  # not before its time
    assert len(receiver.heard) == 1
    clock.advance(5)
    assert await tell(webhooks) == 0
    clock.advance(30)
    assert await tell(webhooks) == 1
    assert len({headers["webhook-id"] for headers, _ in receiver.heard}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in receiver.heard}) == 3


async def test_an_event_that_nobody_takes_is_given_up_and_counted(ledger: Ledger, receiver: Receiver) -> None:
    webhooks = Webhooks(ledger, allow_private=True, backoff=(0.0,))
    batch = await batch_of(ledger)
    await webhooks.set(batch, receiver.url)
    await ledger.operations.cancel(batch, "ana")
    receiver.answers = [500] * 10
    for _ in range(5):
        await tell(webhooks)
    assert await state_of(webhooks, batch) == WebhookState(given_up=1, failure="500")
    assert len(receiver.heard) == 2


async def test_a_receiver_that_is_gone_is_told_no_more(ledger: Ledger, receiver: Receiver) -> None:
    webhooks = Webhooks(ledger, allow_private=True)
    batch = await batch_of(ledger)
    await webhooks.set(batch, receiver.url)
    await ledger.operations.cancel(batch, "ana")
    receiver.answers = [410]
    await tell(webhooks)
    assert await webhooks.get(batch) is None


async def test_no_private_address_is_called(ledger: Ledger, receiver: Receiver) -> None:
    batch = await batch_of(ledger)
    strict = Webhooks(ledger, allow_private=False)
    with pytest.raises(InvalidInputError):
        await strict.set(batch, receiver.url)
    # A name is judged when the connection is made: this one leads to the loopback interface.
    port = receiver.url.split(":")[2]
    await strict.set(batch, f"https://localhost:{port}")
    await ledger.operations.cancel(batch, "ana")
    assert await tell(strict, allow_private=False) == 0
    assert (await state_of(strict, batch)).failure == "unreachable"
    assert receiver.heard == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://no-such-name.invalid/", "{garbage}"])
async def test_a_failure_does_not_tell_a_closed_port_from_an_open_one(
    ledger: Ledger, url: str, garbage: str
) -> None:
    batch = await batch_of(ledger)
    webhooks = Webhooks(ledger, allow_private=True)
    await webhooks.set(batch, url.format(garbage=garbage))
    await ledger.operations.cancel(batch, "ana")
    await tell(webhooks)
    assert (await state_of(webhooks, batch)).failure == "unreachable"


@pytest.fixture
async def garbage() -> AsyncIterator[str]:
    """Address of an open port that speaks no HTTP."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def _settle_again(ledger: Ledger, batch: str, key: str) -> None:
    """One more job that comes and ends."""
    await ledger.do(transitions.accept(batch, [new_job(key)], "ana"))
    await ledger.operations.cancel(batch, "ana")


async def test_each_settling_of_a_batch_that_goes_on_growing_is_told(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    webhooks = Webhooks(ledger, allow_private=True)
    batch = await batch_of(ledger)
    await webhooks.set(batch, receiver.url)
    for n in range(3):
        clock.advance(1)
        await _settle_again(ledger, batch, f"k{n}")  # no look saw it open
        assert await tell(webhooks) == 1
        assert await tell(webhooks) == 0
        assert await tell(webhooks) == 0
    assert [json.loads(body)["type"] for _, body in receiver.heard] == ["batch.settled"] * 3
    assert [json.loads(body)["data"]["accepted"] for _, body in receiver.heard] == [3, 4, 5]
    assert len({headers["webhook-id"] for headers, _ in receiver.heard}) == 3


async def test_two_batches_with_the_same_webhook_are_both_told(ledger: Ledger, receiver: Receiver) -> None:
    webhooks = Webhooks(ledger, allow_private=True)
    batch = await batch_of(ledger)
    await webhooks.set(batch, receiver.url)
    redis: Any = ledger.redis
    await fill(ledger, new_job("x"), batch="b2")
    await redis.hset(keys.WEBHOOKS, "b2", await redis.hget(keys.WEBHOOKS, batch))
    for each in (batch, "b2"):
        await ledger.operations.cancel(each, "ana")
    assert await tell(webhooks) == 2


async def test_secret_and_address_are_sealed_where_bodies_are(ledger: Ledger, receiver: Receiver) -> None:
    sealed = Ledger(ledger.redis, masters=Fernet.generate_key().decode())
    webhooks = Webhooks(sealed, allow_private=True)
    batch = await batch_of(sealed)
    webhook = await webhooks.set(batch, receiver.url)
    redis: Any = ledger.redis
    kept = await redis.hget(keys.WEBHOOKS, batch)
    assert kept.startswith(b"pv1:webhooks:")
    assert webhook.secret.encode() not in kept
    assert await webhooks.get(batch) == (webhook, WebhookState())
    await sealed.operations.cancel(batch, "ana")
    assert await tell(webhooks) == 1
    await sealed.operations.shred(batch, actor="ana")  # the webhook is not the batch's secret
    assert (await webhooks.get(batch)) is not None
    keyless = Webhooks(ledger, allow_private=True)
    with pytest.raises(KeylessError):
        await keyless.set("b2", receiver.url)


async def single(ledger: Ledger, key: str = "k1") -> str:
    """Id of a job that came alone."""
    await ledger.do(transitions.open_batch("b9", "single", {"urgent": "1"}))
    [accepted] = await ledger.do(transitions.accept("b9", [new_job(key)], "ana"))
    return accepted.job_id


@pytest.mark.parametrize("ended_before", [False, True])
async def test_a_single_job_tells_of_its_end_even_of_one_before_it_had_a_webhook(
    ledger: Ledger, receiver: Receiver, *, ended_before: bool
) -> None:
    webhooks = Webhooks(ledger, allow_private=True)
    job = await single(ledger)
    if not ended_before:
        await webhooks.set(job, receiver.url)
        assert await tell(webhooks) == 0
    await ledger.operations.cancel("b9", "ana")
    if ended_before:
        await webhooks.set(job, receiver.url)
    assert [await tell(webhooks) for _ in range(2)] == [1, 0]
    [(headers, body)] = receiver.heard
    said = json.loads(body)
    assert (said["type"], said["data"]["job"], said["data"]["state"]) == ("job.cancelled", job, "cancelled")
    assert headers["webhook-id"].startswith(f"msg_{job}_")


async def test_each_end_of_a_redriven_job_is_told(ledger: Ledger, receiver: Receiver) -> None:
    webhooks = Webhooks(ledger, allow_private=True)
    job = await single(ledger)
    await webhooks.set(job, receiver.url)
    for _ in range(2):
        await ledger.operations.cancel("b9", "ana")
        await ledger.do(transitions.redrive("b9", [1], "ana"))
    assert await tell(webhooks) == 2
    ids = [headers["webhook-id"] for headers, _ in receiver.heard]
    assert len(set(ids)) == 2


async def test_a_server_that_dies_while_it_tells_leaves_the_event_to_another_under_the_same_id(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    batch = await batch_of(ledger)
    webhooks = Webhooks(ledger, allow_private=True, clock=clock)
    await webhooks.set(batch, receiver.url)
    await ledger.operations.cancel(batch, "ana")
    dying = await ledger.webhooks.take(batch, lease=LEASE)
    assert dying is not None
    assert await tell(webhooks) == 0  # another server has it
    clock.advance(LEASE)
    assert await tell(webhooks) == 1
    [(headers, _)] = receiver.heard
    assert headers["webhook-id"] == f"msg_{batch}_{dying.entry}"
    await ledger.webhooks.finish(dying, Came())  # it lived after all: nothing else is taken for told
    await _settle_again(ledger, batch, "k9")
    await ledger.webhooks.try_again(dying, Came("500", 500), 60.0)
    assert await tell(webhooks) == 1


async def test_many_servers_tell_each_event_once(ledger: Ledger, receiver: Receiver) -> None:
    batch = await batch_of(ledger)
    await Webhooks(ledger, allow_private=True).set(batch, receiver.url)
    await ledger.operations.cancel(batch, "ana")
    servers = [Webhooks(ledger, allow_private=True) for _ in range(5)]
    assert sum(await asyncio.gather(*(tell(server) for server in servers))) == 1
    assert len(receiver.heard) == 1


async def test_what_is_tried_again_is_what_was_said_at_first(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    webhooks = Webhooks(ledger, allow_private=True, backoff=(5.0,), clock=clock)
    batch = await batch_of(ledger)
    await webhooks.set(batch, receiver.url)
    await ledger.operations.cancel(batch, "ana")
    receiver.answers = [500]
    await tell(webhooks)
    await ledger.do(transitions.accept(batch, [new_job("k9")], "ana"))  # it is open again
    clock.advance(5)
    assert await tell(webhooks) == 1
    assert receiver.heard[0][1] == receiver.heard[1][1]


async def test_a_webhook_that_is_removed_takes_what_it_was_to_be_told_along(
    ledger: Ledger, receiver: Receiver
) -> None:
    webhooks = Webhooks(ledger, allow_private=True)
    batch = await batch_of(ledger)
    await webhooks.set(batch, receiver.url)
    await ledger.operations.cancel(batch, "ana")
    receiver.answers = [500]
    assert await tell(webhooks) == 0
    assert len(await ledger.redis.keys("pv:deliver*")) == 2
    before = await ledger.redis.keys("pv:*webhook*")
    assert before
    assert await webhooks.remove(batch)
    assert await ledger.redis.keys("pv:*webhook*") == []
    assert await ledger.redis.keys("pv:outbox:*") == []
    assert await ledger.redis.keys("pv:deliver*") == []
    assert await tell(webhooks) == 0


async def settled(ledger: Ledger, receiver: Receiver, clock: Clock) -> tuple[str, Webhooks]:
    """A batch with something to tell, and who tells it."""
    webhooks = Webhooks(ledger, allow_private=True, clock=clock)
    batch = await batch_of(ledger)
    await webhooks.set(batch, receiver.url)
    await ledger.operations.cancel(batch, "ana")
    return batch, webhooks


async def test_one_that_takes_the_place_of_another_is_told_at_once_what_the_other_was_not(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    batch, webhooks = await settled(ledger, receiver, clock)
    receiver.answers = [500]
    assert await tell(webhooks) == 0  # it is tried again in five seconds
    for _ in range(3):
        await webhooks.set(batch, receiver.url)
    assert [await tell(webhooks) for _ in range(2)] == [1, 0]


@pytest.mark.parametrize("answer", [204, 410, 500])
async def test_what_its_predecessor_answers_is_nothing_to_a_webhook(
    ledger: Ledger, receiver: Receiver, clock: Clock, answer: int
) -> None:
    batch, webhooks = await settled(ledger, receiver, clock)
    hear = receiver.answer

    async def be_replaced(request: web.Request) -> web.Response:
        receiver.answer = hear  # type: ignore[method-assign]
        await webhooks.set(batch, receiver.url)
        return web.Response(status=answer)

    receiver.answer = be_replaced  # type: ignore[method-assign]
    assert await tell(webhooks) == (2 if answer == 204 else 0)
    assert await state_of(webhooks, batch) == WebhookState()
    if answer != 204:
        assert await tell(webhooks) == 1
    assert len(receiver.heard) == 1


async def test_what_a_dead_server_has_sent_is_sent_again_to_the_letter(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    batch, webhooks = await settled(ledger, receiver, clock)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger.webhooks, "finish", _die)
        with pytest.raises(asyncio.CancelledError):
            await tell(webhooks)
    await ledger.do(transitions.accept(batch, [new_job("k9")], "ana"))  # it is open again
    clock.advance(LEASE)
    assert await tell(webhooks) == 1
    (before, body), (after, again) = receiver.heard
    assert (before["webhook-id"], body) == (after["webhook-id"], again)


async def _die(*_: object) -> None:
    raise asyncio.CancelledError


async def test_an_outbox_does_not_grow_with_what_happens_time_and_again(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    batch, webhooks = await settled(ledger, receiver, clock)
    receiver.answers = [500]
    await tell(webhooks)
    for n in range(50):
        await _settle_again(ledger, batch, f"k{n}")
    assert await ledger.webhooks.take(batch, lease=LEASE) is None
    clock.advance(5)
    assert await tell(webhooks) == 2
    assert [json.loads(body)["data"]["accepted"] for _, body in receiver.heard] == [2, 2, 52]


async def test_to_set_a_webhook_is_no_event_and_what_it_tells_has_its_own_time(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    batch = await batch_of(ledger)
    await ledger.operations.cancel(batch, "ana")
    clock.advance(86_400)
    last = await ledger.events.last()
    webhooks = Webhooks(ledger, allow_private=True, clock=clock)
    await webhooks.set(batch, receiver.url)
    assert await ledger.events.after(last, batch) == ([], last)
    assert await tell(webhooks) == 1
    [(_, body)] = receiver.heard
    assert json.loads(body)["timestamp"] == "2027-01-15T08:00:00Z"


@pytest.mark.parametrize("scope", [scopes.of_credential("acme"), scopes.of_target("http://target")])
async def test_a_brake_that_was_on_before_is_told(ledger: Ledger, receiver: Receiver, scope: str) -> None:
    await fill(ledger, new_job("k1"))
    for of in (scope, scopes.of_credential("other")):
        await ledger.do(transitions.hold(Hold(scope=of, at=1.0, by="w1", why="no", kind="brake")))
    webhooks = Webhooks(ledger, allow_private=True)
    await webhooks.set("b1", receiver.url)
    assert await tell(webhooks) == 1
    [(_, body)] = receiver.heard
    assert json.loads(body)["type"] == "batch.braked"


def test_no_token_can_have_anothers_job_told(valkey_url: str, tmp_path: Path) -> None:
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
    with running_server(valkey_url, tmp_path, ALLOW_PRIVATE="true") as server:
        mine, theirs, operators = (
            {"Authorization": f"Bearer {make_token(valkey_url, name, *scopes_of)}"}
            for name, scopes_of in (("crm", ["submit"]), ("shop", ["submit"]), ("ops", ["submit", "operate"]))
        )
        body = {"key": "t1", "bot": {"id": "100200300"}}
        path = server.client.post("/v1/jobs", json=body, headers=mine).headers["location"] + "/webhook"
        url = {"url": "http://127.0.0.1:9/hook"}
        assert problem(server.client.put(path, json=url, headers=theirs)) == "no-scope"
        assert server.client.put(path, json=url, headers=mine).json()["secret"].startswith("whsec_")
        for method in ("PUT", "GET", "DELETE"):
            sent = b'{"url":"http://127.0.0.1:9/theirs"}' if method == "PUT" else None
            kind = {"Content-Type": "application/json"} if sent else {}
            refused = server.client.request(method, path, headers=theirs | kind, content=sent)
            assert problem(refused) == "no-scope"
        assert server.client.get(path, headers=mine).json()["url"] == "http://127.0.0.1:9/…"
        assert server.client.put(path, json=url, headers=operators).status_code == 200
        assert server.client.delete(path, headers=operators).status_code == 204
        assert problem(server.client.get(path, headers=operators)) == "not-found"
        server.post("/v1/batches?name=rows", csv_of(1), Content_Type="text/csv")
        [row] = server.get("/v1/batches/rows/jobs").json()["jobs"]
        refused = server.client.put(f"/v1/jobs/{row['job']}/webhook", json=url, headers=operators)
        assert problem(refused) == "invalid"
        assert "PUT /v1/batches/" in refused.json()["hint"]


def test_a_running_server_tells(valkey_url: str, tmp_path: Path) -> None:
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
    heard: list[Any] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

    listener = HTTPServer(("127.0.0.1", 0), Listener)
    Thread(target=listener.serve_forever, daemon=True).start()
    try:
        with running_server(valkey_url, tmp_path, ALLOW_PRIVATE="true") as server:
            server.post("/v1/batches?name=told", csv_of(2), Content_Type="text/csv")
            url = f"http://127.0.0.1:{listener.server_port}/"
            put = server.client.put("/v1/batches/told/webhook", json={"url": url})
            assert put.json()["secret"].startswith("whsec_")
            assert server.get("/v1/batches/told/webhook").json()["url"] == url
            server.post("/v1/batches/told/cancel")
            deadline = time.monotonic() + 30
            while not heard:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert [each["type"] for each in heard] == ["batch.settled"]
            assert server.client.delete("/v1/batches/told/webhook").status_code == 204
            assert problem(server.get("/v1/batches/told/webhook")) == "not-found"
            refused = server.client.put("/v1/batches/told/webhook", json={"url": "ftp://x"})
            assert problem(refused) == "invalid"
    finally:
        listener.shutdown()
        listener.server_close()
