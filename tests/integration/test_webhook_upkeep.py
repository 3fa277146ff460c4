"""What a developer does with a webhook that is set: give it another secret, try it, look at deliveries."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks.webhooks as standardwebhooks
from aiohttp import web

from api.webhook_delivery import BOTH_SECONDS, LEASE, Webhooks, new_secret
from api.webhook_post import sign
from provisioning.ledger import Ledger, keys
from provisioning.ledger.schema import DELIVERIES_KEPT, DELIVERIES_KEPT_MS
from provisioning.ledger.webhooks import FORMERS, Webhook, WebhookState
from tests.integration.test_webhooks import Receiver, _settle_again, batch_of, receiver, state_of, tell
from tests.support.http_server import PATIENCE, Server, csv_of, job, make_token, problem, running_server
from tests.support.ledger_fixtures import Clock

__all__ = ["receiver"]  # the fixture


def signatures(receiver: Receiver, *secrets: str) -> tuple[str, str]:
    """What the receiver was shown last, and what these secrets would show."""
    headers, body = receiver.heard[-1]
    message_id, at = headers["webhook-id"], int(headers["webhook-timestamp"])
    return headers["webhook-signature"], " ".join(sign(each, message_id, at, body) for each in secrets)


async def rotate(webhooks: Webhooks, on: str) -> Webhook:
    found = await webhooks.get(on)
    assert found is not None
    rotated = await webhooks.rotate(on, found[0])
    assert rotated is not None
    return rotated


async def test_for_a_day_both_secrets_sign_and_then_the_new_one_alone(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    webhooks = Webhooks(ledger, allow_private=True, clock=clock)
    batch = await batch_of(ledger)
    old = await webhooks.set(batch, receiver.url)
    new = await rotate(webhooks, batch)
    assert new.secret != old.secret
    await ledger.operations.cancel(batch, "ana")
    clock.advance(BOTH_SECONDS - 1)
    assert await tell(webhooks) == 1
    shown, expected = signatures(receiver, new.secret, old.secret)
    assert shown == expected
    clock.advance(1)
    await _settle_again(ledger, batch, "k9")
    assert await tell(webhooks) == 1
    shown, expected = signatures(receiver, new.secret)
    assert shown == expected


async def test_a_receivers_library_accepts_either_secret_after_a_rotation(
    ledger: Ledger, receiver: Receiver
) -> None:
    webhooks = Webhooks(ledger, allow_private=True)
    batch = await batch_of(ledger)
    old = await webhooks.set(batch, receiver.url)
    new = await rotate(webhooks, batch)
    await ledger.operations.cancel(batch, "ana")
    assert await tell(webhooks) == 1
    [(headers, body)] = receiver.heard
    for secret in (old.secret, new.secret):
        assert standardwebhooks.Webhook(secret).verify(body, headers)["type"] == "batch.settled"
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(new_secret()).verify(body, headers)


async def test_a_rotation_whose_answer_was_lost_is_repeated_without_a_gap(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    webhooks = Webhooks(ledger, allow_private=True, clock=clock)
    batch = await batch_of(ledger)
    old = await webhooks.set(batch, receiver.url)
    lost = await rotate(webhooks, batch)
    clock.advance(60)
    new = await rotate(webhooks, batch)
    await ledger.operations.cancel(batch, "ana")
    assert await tell(webhooks) == 1
    shown, expected = signatures(receiver, new.secret, lost.secret, old.secret)
    assert shown == expected
    for _ in range(FORMERS):
        new = await rotate(webhooks, batch)
    assert len(new.secrets(clock())) == 1 + FORMERS


@pytest.mark.parametrize("answer", [204, 410, 500])
async def test_a_rotation_during_a_delivery_changes_nothing_about_its_result(
    ledger: Ledger, receiver: Receiver, clock: Clock, answer: int
) -> None:
    webhooks = Webhooks(ledger, allow_private=True, clock=clock)
    batch = await batch_of(ledger)
    await webhooks.set(batch, receiver.url)
    await ledger.operations.cancel(batch, "ana")
    hear = receiver.answer

    async def rotate_meanwhile(request: web.Request) -> web.Response:
        await rotate(webhooks, batch)
        await rotate(webhooks, batch)
        await hear(request)
        return web.Response(status=answer)

    receiver.answer = rotate_meanwhile  # type: ignore[method-assign]
    assert await tell(webhooks) == (1 if answer == 204 else 0)
    clock.advance(LEASE)
    if answer == 410:
        assert await webhooks.get(batch) is None
    else:
        failed = WebhookState(tries=1, failure="500")
        assert await state_of(webhooks, batch) == (WebhookState() if answer == 204 else failed)
    receiver.answer = hear  # type: ignore[method-assign]
    assert await tell(webhooks) == (1 if answer == 500 else 0)
    assert len({headers["webhook-id"] for headers, _ in receiver.heard}) == 1


async def test_a_rotation_does_not_touch_what_is_to_be_told(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    webhooks = Webhooks(ledger, allow_private=True, clock=clock)
    batch = await batch_of(ledger)
    await webhooks.set(batch, receiver.url)
    await ledger.operations.cancel(batch, "ana")
    receiver.answers = [500]
    assert await tell(webhooks) == 0
    await rotate(webhooks, batch)
    assert (await state_of(webhooks, batch)).tries == 1
    assert await tell(webhooks) == 0  # still not before its time
    clock.advance(5)
    assert await tell(webhooks) == 1


async def test_a_webhook_that_was_replaced_is_not_rotated(ledger: Ledger, receiver: Receiver) -> None:
    webhooks = Webhooks(ledger, allow_private=True)
    batch = await batch_of(ledger)
    before = await webhooks.set(batch, receiver.url)
    after = await webhooks.set(batch, receiver.url)
    assert await webhooks.rotate(batch, before) is None
    assert (await webhooks.get(batch)) == (after, WebhookState())
    await webhooks.remove(batch)
    assert await webhooks.rotate(batch, after) is None
    assert await webhooks.get(batch) is None


async def test_a_test_event_is_signed_like_any_other_and_leaves_the_outbox_alone(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    webhooks = Webhooks(ledger, allow_private=True, clock=clock)
    batch = await batch_of(ledger)
    await webhooks.set(batch, receiver.url)
    webhook = await rotate(webhooks, batch)
    await ledger.operations.cancel(batch, "ana")
    before = await ledger.redis.lrange(keys.outbox(batch), 0, -1)
    message_id, reaction = await webhooks.test(webhook, {"batch": batch})
    assert reaction.accepted
    [(headers, body)] = receiver.heard
    assert headers["webhook-id"] == message_id
    assert json.loads(body)["type"] == "webhook.test"
    assert json.loads(body)["data"] == {"batch": batch}
    shown, expected = signatures(receiver, *webhook.secrets(clock()))
    assert shown == expected
    assert await ledger.redis.lrange(keys.outbox(batch), 0, -1) == before != []
    assert await tell(webhooks) == 1


# --- Deliveries ---


async def settled(ledger: Ledger, receiver: Receiver, clock: Clock) -> tuple[str, Webhooks]:
    """A batch with something to tell, and who tells it."""
    webhooks = Webhooks(ledger, allow_private=True, backoff=(5.0,), clock=clock)
    batch = await batch_of(ledger)
    await webhooks.set(batch, receiver.url)
    await ledger.operations.cancel(batch, "ana")
    return batch, webhooks


async def test_a_delivery_is_listed_with_what_came_of_its_attempts(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    batch, webhooks = await settled(ledger, receiver, clock)
    assert await webhooks.deliveries(batch) == []
    receiver.answers = [500, 204, 404, 404]
    began = clock()
    assert await tell(webhooks) == 0
    [waiting] = await webhooks.deliveries(batch)
    assert (waiting.outcome, waiting.attempts, waiting.status, waiting.failure) == ("waiting", 1, 500, "500")
    clock.advance(5)
    assert await tell(webhooks) == 1
    [accepted] = await webhooks.deliveries(batch)
    assert (accepted.outcome, accepted.attempts, accepted.status, accepted.failure) == (
        "accepted",
        2,
        204,
        "",
    )
    assert (accepted.at, accepted.last_at) == (began, began + 5)
    assert (accepted.id, accepted.event) == (receiver.heard[0][0]["webhook-id"], "batch.settled")
    assert accepted.milliseconds is not None
    await _settle_again(ledger, batch, "k9")
    for _ in range(2):
        await tell(webhooks)
        clock.advance(5)
    assert [each.outcome for each in await webhooks.deliveries(batch)] == ["given_up", "accepted"]


async def test_a_delivery_without_an_answer_is_listed_as_unreachable(ledger: Ledger, clock: Clock) -> None:
    webhooks = Webhooks(ledger, allow_private=True, clock=clock)
    batch = await batch_of(ledger)
    await webhooks.set(batch, "http://127.0.0.1:9/")
    await ledger.operations.cancel(batch, "ana")
    await tell(webhooks)
    [delivery] = await webhooks.deliveries(batch)
    assert (delivery.failure, delivery.status, delivery.milliseconds) == ("unreachable", None, None)


async def test_the_list_of_deliveries_is_bounded_in_number_and_time(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    batch, webhooks = await settled(ledger, receiver, clock)
    for n in range(DELIVERIES_KEPT + 2):
        await tell(webhooks)
        clock.advance(1)
        await _settle_again(ledger, batch, f"k{n}")
    await tell(webhooks)
    listed = await webhooks.deliveries(batch)
    heard = [headers["webhook-id"] for headers, _ in receiver.heard]
    assert [each.id for each in listed] == heard[: -DELIVERIES_KEPT - 1 : -1]
    assert await ledger.redis.hlen(keys.delivered(batch)) == DELIVERIES_KEPT
    for name in (keys.deliveries(batch), keys.delivered(batch)):
        assert 0 < await ledger.redis.pttl(name) <= DELIVERIES_KEPT_MS
    clock.advance(DELIVERIES_KEPT_MS / 1000 + 1)
    assert await webhooks.deliveries(batch) == []
    await _settle_again(ledger, batch, "last")
    await tell(webhooks)
    assert len(await webhooks.deliveries(batch)) == 1
    assert await ledger.redis.hlen(keys.delivered(batch)) == 1


async def test_a_redelivery_has_the_same_id_and_body_and_comes_after_what_waits(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    batch, webhooks = await settled(ledger, receiver, clock)
    await tell(webhooks)
    [delivery] = await webhooks.deliveries(batch)
    await _settle_again(ledger, batch, "k9")
    assert await webhooks.redeliver(batch, delivery.id)
    assert await webhooks.redeliver(batch, delivery.id)  # it waits: said twice, done once
    assert await tell(webhooks) == 2
    (first, body), (other, _), (again, same) = receiver.heard
    assert first["webhook-id"] == again["webhook-id"] != other["webhook-id"]
    assert body == same
    newest, oldest = await webhooks.deliveries(batch)
    assert (oldest.id, oldest.attempts, oldest.outcome) == (delivery.id, 2, "accepted")
    assert newest.attempts == 1


async def test_what_was_given_up_is_delivered_after_all_on_request(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    batch, webhooks = await settled(ledger, receiver, clock)
    receiver.answers = [500, 500]
    await tell(webhooks)
    clock.advance(5)
    await tell(webhooks)
    [given_up] = await webhooks.deliveries(batch)
    assert given_up.outcome == "given_up"
    assert await webhooks.redeliver(batch, given_up.id)
    [waiting] = await webhooks.deliveries(batch)
    assert waiting.outcome == "waiting"
    assert await tell(webhooks) == 1
    assert not await webhooks.redeliver(batch, "msg_other_1-0")


async def test_a_server_that_dies_during_a_redelivery_leaves_it_to_another(
    ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    batch, webhooks = await settled(ledger, receiver, clock)
    await tell(webhooks)
    [delivery] = await webhooks.deliveries(batch)
    await webhooks.redeliver(batch, delivery.id)
    assert await ledger.webhooks.take(batch, lease=LEASE) is not None  # and is heard of no more
    assert await tell(webhooks) == 0
    clock.advance(LEASE)
    assert await tell(webhooks) == 1
    assert len({(headers["webhook-id"], body) for headers, body in receiver.heard}) == 1


# --- Over HTTP ---

NOWHERE = {"url": "http://127.0.0.1:9/hook"}


@pytest.fixture
def server(valkey_url: str, ledger: Ledger, tmp_path: Path) -> Iterator[Server]:
    with running_server(valkey_url, tmp_path, ALLOW_PRIVATE="true") as server:
        yield server


@pytest.fixture
def paths(server: Server) -> list[str]:
    """Paths of webhooks that are set, one on each thing that may have one."""
    server.post("/v1/batches?name=told", csv_of(2), Content_Type="text/csv")
    single = server.post("/v1/jobs", job("t1")).headers["location"]
    paths = ["/v1/batches/told/webhook", f"{single}/webhook", "/v1/webhook"]
    for path in paths:
        assert server.client.put(path, json=NOWHERE).status_code == 200
    return paths


async def acts_of(ledger: Ledger) -> list[tuple[str, str]]:
    """What was done with webhooks, as the audit has it, oldest first: on what, and what."""
    acts = [(act.on, str(act.facts["done"])) async for act in ledger.queries.audit() if act.act == "webhook"]
    return acts[::-1]


async def test_a_secret_is_rotated_over_http_and_the_audit_says_so(
    server: Server, ledger: Ledger, paths: list[str]
) -> None:
    for path in paths:
        assert server.get(path).json()["former_until"] is None
        rotated = server.post(f"{path}/rotate")
        assert rotated.status_code == 200, rotated.text
        assert rotated.json()["secret"].startswith("whsec_")
        until = rotated.json()["former_until"]
        assert until == pytest.approx(time.time() + BOTH_SECONDS, abs=60)
        shown = server.get(path)
        assert shown.json()["former_until"] == until
        assert "whsec_" not in shown.text
    acts = await acts_of(ledger)
    assert [done for _, done in acts] == ["set"] * len(paths) + ["rotated"] * len(paths)
    assert {on.partition(":")[0] for on, _ in acts} == {"batch", "job", "owner"}


def test_no_token_rotates_anothers_secret_and_none_is_made_where_no_webhook_is(
    server: Server, paths: list[str], valkey_url: str
) -> None:
    theirs = {"Authorization": f"Bearer {make_token(valkey_url, 'shop', 'submit', 'read')}"}
    for path in paths:
        assert problem(server.client.post(f"{path}/rotate", headers=theirs)) == "no-scope"
        assert server.client.delete(path).status_code == 204
        assert problem(server.client.post(f"{path}/rotate")) == "not-found"


@pytest.mark.parametrize("status", [204, 302, 410, 500])
async def test_a_test_answers_with_what_the_receiver_answered(
    server: Server, paths: list[str], receiver: Receiver, ledger: Ledger, status: int
) -> None:
    receiver.answers = [status] * len(paths)
    for path in paths:
        assert server.client.put(path, json={"url": receiver.url}).status_code == 200
        answered = await asyncio.to_thread(server.post, f"{path}/test")
        assert answered.status_code == 200, answered.text
        said = answered.json()
        assert (said["accepted"], said["status"]) == (status == 204, status)
        assert said["failure"] == ("" if status == 204 else str(status))
        assert 0 <= said["milliseconds"] < 15_000
        assert said["id"] == receiver.heard[-1][0]["webhook-id"]
        shown = server.get(path).json()  # not even a 410 removes it
        assert (shown["tries"], shown["failure"]) == (0, "")
    assert [done for _, done in await acts_of(ledger)][-1] == "tested"


def test_a_test_without_an_answer_tells_nothing_but_that(
    server: Server, paths: list[str], valkey_url: str
) -> None:
    theirs = {"Authorization": f"Bearer {make_token(valkey_url, 'shop', 'submit', 'read')}"}
    for path in paths:
        said = server.post(f"{path}/test").json()
        assert (said["accepted"], said["status"], said["milliseconds"]) == (False, None, None)
        assert said["failure"] == "unreachable"
        assert problem(server.client.post(f"{path}/test", headers=theirs)) == "no-scope"
        assert server.client.delete(path).status_code == 204
        assert problem(server.post(f"{path}/test")) == "not-found"


async def test_deliveries_are_listed_and_repeated_over_http(
    server: Server, paths: list[str], receiver: Receiver, ledger: Ledger
) -> None:
    for path in paths:
        assert server.client.put(path, json={"url": receiver.url}).status_code == 200
        assert server.get(f"{path}/deliveries").json()["deliveries"] == []
    for batch in ("told", "single"):
        assert server.post(f"/v1/batches/{batch}/cancel").status_code == 200
    for path in paths:
        delivery = await first_delivery(server, path)
        assert (delivery["outcome"], delivery["attempts"], delivery["status"]) == ("accepted", 1, 204)
        again = server.post(f"{path}/deliveries/{delivery['id']}/redeliver")
        assert again.status_code == 202, again.text
        assert again.json()["id"] == delivery["id"]
        assert (await first_delivery(server, path, attempts=2))["outcome"] == "accepted"
        assert problem(server.post(f"{path}/deliveries/msg_x_1-0/redeliver")) == "not-found"
    heard = Counter((headers["webhook-id"], body) for headers, body in receiver.heard)
    # The batch `told` twice to itself and its owner, the job twice and once, its batch once to the owner.
    assert sum(heard.values()) == 8
    assert len({message_id for message_id, _ in heard}) == 3
    assert [done for _, done in await acts_of(ledger)][-len(paths) :] == ["redelivered"] * len(paths)


async def first_delivery(server: Server, path: str, attempts: int = 1) -> dict[str, Any]:
    """The first delivery of a webhook, once there were so many attempts."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await asyncio.to_thread(server.get, f"{path}/deliveries")
            [*found] = answer.json()["deliveries"]
            if found and found[-1]["attempts"] >= attempts:
                return dict(found[-1])


def test_no_token_sees_or_repeats_anothers_deliveries(
    server: Server, paths: list[str], valkey_url: str
) -> None:
    theirs = {"Authorization": f"Bearer {make_token(valkey_url, 'shop', 'submit', 'read')}"}
    for path in paths:
        listed = f"{path}/deliveries"
        again = f"{listed}/msg_x_1-0/redeliver"
        assert problem(server.client.get(listed, headers=theirs)) == "no-scope"
        assert problem(server.client.post(again, headers=theirs)) == "no-scope"
        assert server.client.delete(path).status_code == 204
        assert problem(server.get(listed)) == "not-found"
        assert problem(server.post(again)) == "not-found"
