"""The webhook of an owner: what it is told of, what it is not, and what happens when nobody listens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.webhook_delivery import LEASE, Webhooks
from producers.submit import submit
from provisioning import scopes
from provisioning.ledger import Hold, Ledger, keys, transitions
from provisioning.ledger.schema import OUTBOX_MOST, Happened
from tests.integration.test_webhooks import Receiver, receiver, state_of, tell
from tests.support.engine_bench import jobs
from tests.support.http_server import PATIENCE, Server, job, make_token, problem, running_server
from tests.support.ledger_fixtures import Clock, new_job

__all__ = ["receiver"]  # the fixture

CRM = scopes.of_owner("crm")


async def batch_of(ledger: Ledger, owner: str = "crm", name: str = "june", count: int = 2) -> str:
    rows = jobs(count, prefix=name)
    done = await submit(ledger, rows, name=name, actor="test", owner=owner, notify=lambda _: None)
    return done.batch


async def singles(ledger: Ledger, batch: str, count: int, owner: str = "crm") -> list[str]:
    """Ids of jobs that came alone."""
    await ledger.do(transitions.open_batch(batch, batch, {"urgent": "1"}, owner=owner))
    new = [new_job(f"{batch}-{n}") for n in range(count)]
    return [each.job_id for each in await ledger.do(transitions.accept(batch, new, "ana"))]


def heard(receiver: Receiver) -> list[tuple[str, str]]:
    """What the receiver was told, in order: the event, and the id of the batch or job."""
    told = [json.loads(body) for _, body in receiver.heard]
    return [(each["type"], each["data"].get("job") or each["data"]["batch"]) for each in told]


async def test_it_is_told_of_all_batches_and_single_jobs_of_its_owner_in_order(
    ledger: Ledger, receiver: Receiver
) -> None:
    webhooks = Webhooks(ledger, allow_private=True)
    await webhooks.set(CRM, receiver.url)
    june, july = [await batch_of(ledger, name=name) for name in ("june", "july")]
    one, other = await singles(ledger, "bsingle1", 2)
    hold = Hold(scope=scopes.of_batch(june), at=1.0, by="w1", why="all alike", kind="stop_loss")
    await ledger.do(transitions.hold(hold))
    await ledger.operations.cancel(july, "ana")
    await ledger.operations.cancel("bsingle1", "ana")
    assert await tell(webhooks) == 5
    assert heard(receiver) == [
        ("batch.stopped", june),
        ("batch.settled", july),
        *(("job.cancelled", each) for each in (one, other)),
        ("batch.settled", "bsingle1"),
    ]
    assert await tell(webhooks) == 0


@pytest.mark.parametrize("name", ["crm", "default", "crm.1"])
async def test_each_owner_is_told_of_its_own_alone(ledger: Ledger, receiver: Receiver, name: str) -> None:
    webhooks = Webhooks(ledger, allow_private=True)
    await webhooks.set(scopes.of_owner(name), receiver.url)
    batches = {}
    for owner in ("crm", "default", "crm.1", "crm.2"):
        batches[owner] = await batch_of(ledger, owner)
        await ledger.operations.cancel(batches[owner], "ana")
    await tell(webhooks)
    assert heard(receiver) == [("batch.settled", batches[name])]


async def test_what_happened_before_it_was_set_is_not_told(ledger: Ledger, receiver: Receiver) -> None:
    webhooks = Webhooks(ledger, allow_private=True)
    before = await batch_of(ledger)
    await ledger.operations.cancel(before, "ana")
    await webhooks.set(CRM, receiver.url)
    assert await tell(webhooks) == 0
    assert receiver.heard == []


async def test_it_is_told_of_the_events_that_it_asks_for(ledger: Ledger, receiver: Receiver) -> None:
    webhooks = Webhooks(ledger, allow_private=True)
    await webhooks.set(CRM, receiver.url, events=[Happened.BATCH_SETTLED, Happened.JOB_DEAD])
    await singles(ledger, "bsingle1", 1)
    await ledger.operations.cancel("bsingle1", "ana")
    await tell(webhooks)
    assert heard(receiver) == [("batch.settled", "bsingle1")]
    await webhooks.set(CRM, receiver.url)  # everything again
    await singles(ledger, "bsingle2", 1)
    await ledger.operations.cancel("bsingle2", "ana")
    await tell(webhooks)
    assert [event for event, _ in heard(receiver)[1:]] == ["job.cancelled", "batch.settled"]


async def test_a_batch_with_its_own_webhook_is_told_to_both_under_one_id(
    ledger: Ledger, receiver: Receiver
) -> None:
    webhooks = Webhooks(ledger, allow_private=True)
    batch = await batch_of(ledger)
    secrets = [(await webhooks.set(on, receiver.url)).secret for on in (CRM, batch)]
    await ledger.operations.cancel(batch, "ana")
    assert await tell(webhooks) == 2
    assert len({headers["webhook-id"] for headers, _ in receiver.heard}) == 1
    assert len({headers["webhook-signature"] for headers, _ in receiver.heard}) == len(set(secrets)) == 2


async def test_events_of_different_batches_do_not_replace_each_other(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    webhooks = Webhooks(ledger, allow_private=True, clock=clock)
    await webhooks.set(CRM, receiver.url)
    names = [f"june-{n}" for n in range(4)]
    batches = [await batch_of(ledger, name=name) for name in names]
    receiver.answers = [500]
    for batch in batches:
        await ledger.operations.cancel(batch, "ana")
        await tell(webhooks)
    await ledger.do(transitions.accept(batches[-1], [new_job("more")], "ana"))
    await ledger.operations.cancel(batches[-1], "ana")  # the same of the same: the last is enough
    clock.advance(5)
    assert await tell(webhooks) == 4
    assert [on for _, on in heard(receiver)[1:]] == batches


async def test_a_server_that_dies_leaves_the_event_of_an_owner_to_another(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    webhooks = Webhooks(ledger, allow_private=True, clock=clock)
    await webhooks.set(CRM, receiver.url)
    batch = await batch_of(ledger)
    await ledger.operations.cancel(batch, "ana")
    dying = await ledger.webhooks.take(CRM, lease=LEASE)
    assert dying is not None
    assert await tell(webhooks) == 0
    clock.advance(LEASE)
    assert await tell(webhooks) == 1
    assert receiver.heard[0][0]["webhook-id"] == dying.message_id == f"msg_{batch}_{dying.entry}"


async def test_what_was_deleted_before_it_was_told_is_counted_and_keeps_nothing_back(
    ledger: Ledger, receiver: Receiver
) -> None:
    webhooks = Webhooks(ledger, allow_private=True)
    await webhooks.set(CRM, receiver.url)
    gone, here = [await batch_of(ledger, name=name) for name in ("july", "june")]
    for batch in (gone, here):
        await ledger.operations.cancel(batch, "ana")
    await ledger.redis.delete(keys.batch(gone))
    assert await tell(webhooks) == 1
    assert heard(receiver) == [("batch.settled", here)]
    assert (await state_of(webhooks, CRM)).given_up == 1
    assert [each.failure for each in await webhooks.deliveries(CRM)] == ["", "deleted"]


async def test_a_full_outbox_loses_its_oldest_events_and_counts_them(
    ledger: Ledger, receiver: Receiver
) -> None:
    webhooks = Webhooks(ledger, allow_private=True)
    await webhooks.set(CRM, receiver.url)
    batch = await batch_of(ledger)
    lines = [f"{n}-0 batch.settled@b{n}" for n in range(OUTBOX_MOST)]
    redis: Any = ledger.redis
    await redis.rpush(keys.outbox(CRM), *lines)
    await ledger.operations.cancel(batch, "ana")
    kept = [line.decode() for line in await redis.lrange(keys.outbox(CRM), 0, -1)]
    assert len(kept) == OUTBOX_MOST
    assert kept[:2] == [lines[0], lines[2]]  # the first may be under way
    assert kept[-1].endswith(f"batch.settled@{batch}")
    assert (await state_of(webhooks, CRM)).given_up == 1
    await webhooks.remove(CRM)
    assert await redis.keys("pv:*webhook*") == await redis.keys("pv:outbox:*") == []


async def test_a_redelivery_that_a_full_outbox_loses_is_listed_as_given_up(
    ledger: Ledger, receiver: Receiver
) -> None:
    webhooks = Webhooks(ledger, allow_private=True)
    await webhooks.set(CRM, receiver.url)
    batch, other = [await batch_of(ledger, name=name) for name in ("july", "june")]
    await ledger.operations.cancel(batch, "ana")
    await tell(webhooks)
    [delivery] = await webhooks.deliveries(CRM)
    redis: Any = ledger.redis
    await redis.rpush(keys.outbox(CRM), "0-0 batch.settled@b0")
    assert await webhooks.redeliver(CRM, delivery.id)
    await redis.rpush(keys.outbox(CRM), *(f"{n}-0 batch.settled@b{n}" for n in range(2, OUTBOX_MOST)))
    await ledger.operations.cancel(other, "ana")
    [lost] = await webhooks.deliveries(CRM)
    assert (lost.id, lost.outcome) == (delivery.id, "given_up")


async def test_an_event_of_an_owner_is_delivered_again_with_its_id_and_body(
    ledger: Ledger, receiver: Receiver
) -> None:
    webhooks = Webhooks(ledger, allow_private=True)
    await webhooks.set(CRM, receiver.url)
    [job_id] = await singles(ledger, "bsingle1", 1)
    await ledger.operations.cancel("bsingle1", "ana")
    await tell(webhooks)
    of_job = next(each for each in await webhooks.deliveries(CRM) if each.event == "job.cancelled")
    assert of_job.id.startswith(f"msg_{job_id}_")
    assert await webhooks.redeliver(CRM, of_job.id)
    assert await tell(webhooks) == 1
    first, again = receiver.heard[0], receiver.heard[-1]
    assert (first[0]["webhook-id"], first[1]) == (again[0]["webhook-id"], again[1])


# --- Over HTTP ---


@pytest.fixture
def server(valkey_url: str, ledger: Ledger, tmp_path: Path) -> Iterator[Server]:
    with running_server(valkey_url, tmp_path, ALLOW_PRIVATE="true") as server:
        yield server


async def test_a_running_server_tells_an_owner(server: Server, receiver: Receiver, ledger: Ledger) -> None:
    put = server.client.put("/v1/webhook", json={"url": receiver.url, "events": ["job.cancelled"]})
    assert put.json()["owner"] == "default"
    assert put.json()["secret"].startswith("whsec_")
    submitted = server.post("/v1/jobs", job("t1")).json()
    server.post("/v1/batches/single/cancel")
    async with asyncio.timeout(PATIENCE):
        while not receiver.heard:
            await asyncio.to_thread(server.get, "/v1/webhook")
    assert heard(receiver) == [("job.cancelled", submitted["job"])]
    shown = server.get("/v1/webhook").json()
    assert (shown["owner"], shown["events"]) == ("default", ["job.cancelled"])
    assert shown["url"].endswith("/…")
    assert server.client.delete("/v1/webhook").status_code == 204
    assert problem(server.get("/v1/webhook")) == "not-found"
    acts = [act async for act in ledger.queries.audit() if act.act == "webhook"]
    assert [(act.on, act.facts["done"]) for act in acts] == [
        ("owner:default", "removed"),
        ("owner:default", "set"),
    ]


def test_only_its_setter_and_operators_manage_it_and_only_who_may_read_sets_it(
    server: Server, valkey_url: str
) -> None:
    url = {"url": "http://127.0.0.1:9/hook"}
    mine, theirs, writer = (
        {"Authorization": f"Bearer {make_token(valkey_url, name, *of)}"}
        for name, of in (("crm", ["submit", "read"]), ("shop", ["submit", "read"]), ("w", ["submit"]))
    )
    assert problem(server.client.put("/v1/webhook", json=url, headers=writer)) == "no-scope"
    assert server.client.put("/v1/webhook", json=url, headers=mine).status_code == 200
    assert server.client.get("/v1/webhook", headers=mine).json()["events"][0] == "batch.settled"
    for method, path in (
        ("PUT", "/v1/webhook"),
        ("GET", "/v1/webhook"),
        ("DELETE", "/v1/webhook"),
        ("POST", "/v1/webhook/rotate"),
        ("POST", "/v1/webhook/test"),
        ("GET", "/v1/webhook/deliveries"),
    ):
        body = url if method == "PUT" else None
        assert problem(server.client.request(method, path, headers=theirs, json=body)) == "no-scope"
    assert server.client.put("/v1/webhook", json=url).status_code == 200  # by one with the scope operate
    assert problem(server.client.delete("/v1/webhook", headers=mine)) == "no-scope"


@pytest.mark.parametrize(
    "events", [None, [], ["job.dead", "job.dead"], ["batch.paused"], ["act"], ["x"], "job.dead"]
)
def test_events_that_no_webhook_is_told_of_are_refused(server: Server, events: object) -> None:
    body = {"url": "https://crm.example/", "events": events}
    refused = server.client.put("/v1/webhook", json=body)
    assert problem(refused) == "invalid"
    server.post("/v1/jobs", job("t1"))
    only_of_owners = server.client.put("/v1/batches/single/webhook", json=body | {"events": ["job.dead"]})
    assert problem(only_of_owners) == "invalid"
