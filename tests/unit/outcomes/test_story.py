"""The story of a job as a ledger tells it: found by id or key, secrets masked, with what held it back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from outcomes.story import job_called, story_json, story_of, timeline
from provisioning.errors import InvalidInputError, NotFoundError
from provisioning.ledger import Ledger, keys, transitions
from provisioning.lifecycle import Event
from tests.support.ledger_fixtures import answer, claim, fill, new_job, say, send

SECRET = b'{"bot":{"id":"7"},"credentials":{"whiteList":["acme.example"],"blackList":[]}}'


async def test_a_job_is_called_by_its_id_or_by_its_tenants_key(ledger: Ledger) -> None:
    await fill(ledger, new_job("lima"))
    assert (await job_called(ledger, "b1.1")).key == "lima"
    assert (await job_called(ledger, "lima")).job_id == "b1.1"
    assert (await job_called(ledger, "lima", "acme")).job_id == "b1.1"
    with pytest.raises(NotFoundError):
        await job_called(ledger, "lima", "zeta")
    with pytest.raises(NotFoundError):
        await job_called(ledger, "quito")


async def test_a_key_that_looks_like_an_id_is_a_key_where_there_is_no_such_job(ledger: Ledger) -> None:
    await fill(ledger, new_job("b1.7"))
    assert (await job_called(ledger, "b1.7")).job_id == "b1.1"


async def test_a_key_of_several_credentials_is_not_guessed_at(ledger: Ledger) -> None:
    await fill(ledger, new_job("lima", "acme"), new_job("lima", "zeta"))
    with pytest.raises(InvalidInputError) as error:
        await job_called(ledger, "lima")
    assert "acme (b1.1), zeta (b1.2)" in error.value.message
    assert (await job_called(ledger, "lima", "zeta")).job_id == "b1.2"


async def test_of_a_tenant_past_its_retention_is_said_how_it_ended(ledger: Ledger) -> None:
    await fill(ledger, new_job("lima"))
    [job] = await claim(ledger)
    await send(ledger, job)
    await say(ledger, answer(job, Event.CREATED))
    redis: Any = ledger.redis
    settled = await redis.hget(keys.batch("b1"), "settled_at")
    await ledger.do(transitions.reap("b1", "batches", settled.decode(), 10))
    with pytest.raises(NotFoundError, match=r"lima \(acme\) was created as b1\.1"):
        await job_called(ledger, "lima")


async def test_the_body_is_told_with_its_secrets_masked_and_its_shape_kept(ledger: Ledger) -> None:
    await fill(ledger, new_job("lima", body=SECRET))
    told = story_json(await story_of(ledger, await job_called(ledger, "lima")))
    line = msgspec.json.decode(msgspec.json.encode(told))
    assert line["body"] == {"bot": {"id": "7"}, "credentials": {"whiteList": ["***"], "blackList": []}}


async def test_what_people_did_to_its_batch_is_told_as_far_as_it_explains_a_wait(ledger: Ledger) -> None:
    await fill(ledger, new_job("lima"))
    await fill(ledger, new_job("quito"), batch="b2")
    # The audit goes by the clock of the world: the batch of a test was opened long before.
    redis: Any = ledger.redis
    await redis.hset(keys.batch("b1"), "opened_at", "1000")
    hand = ledger.operations
    await hand.hold("batch:b1", actor="ana", justification="lunch")
    await hand.hold("batch:b2", actor="ana", justification="lunch")
    await hand.hold("credential:acme", actor="bob", justification="a new secret")
    await hand.release("batch:b1", actor="ana")
    story = await story_of(ledger, await job_called(ledger, "lima"))
    assert [(act.act, act.on) for act in story.acts] == [
        ("pause", "batch:b1"),
        ("pause", "credential:acme"),
        ("resume", "batch:b1"),
    ]
    assert "credential:acme paused by bob, because a new secret" in [
        str(line.text) for line in timeline(story)
    ]
    assert [hold.scope for hold in story.holds] == ["credential:acme"]
