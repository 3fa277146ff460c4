"""A ledger that the former version has written is taken over, or refused with what to do."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from api.webhook_delivery import Webhooks
from producers.pull.addresses import session
from provisioning.errors import ContractError, LedgerUnavailableError
from provisioning.ledger import Ledger, keys, transitions, worker_registry
from provisioning.ledger.migration import migrate
from provisioning.ledger.records import WorkerSign
from provisioning.ledger.schema import FORMAT
from provisioning.lifecycle import State
from tests.integration.test_webhooks import Receiver, receiver
from tests.support.ledger_fixtures import claim, new_job, send
from tests.support.repository import ROOT

__all__ = ["receiver"]  # the fixture

FORMER_LEDGER = ROOT / "tests" / "fixtures" / "ledger_of_format_2.json"
"""Written by the version before the outbox: its types and values by key."""

SETTLED, OPEN, UNSEEN = "bsettled", "bopen", "bunseen"


async def restore(redis: Any) -> None:
    """Puts the former ledger into an emptied Redis."""
    await redis.flushall()
    for name, (kind, value) in json.loads(FORMER_LEDGER.read_text(encoding="utf-8")).items():
        if kind == "hash":
            await redis.hset(name, mapping=value)
        elif kind == "string":
            await redis.set(name, value)
        elif kind == "list":
            await redis.rpush(name, *value)
        elif kind == "set":
            await redis.sadd(name, *value)
        elif kind == "zset":
            await redis.zadd(name, value)
        else:
            for id_, fields in value:
                await redis.xadd(name, fields, id=id_)


@pytest.fixture
async def former(valkey_url: str) -> AsyncIterator[Ledger]:
    async with Ledger.at(valkey_url) as ledger:
        await restore(ledger.redis)
        yield ledger


async def test_what_the_former_version_has_recorded_is_there_and_goes_on(former: Ledger) -> None:
    await former.check()
    assert await former.redis.get(keys.FORMAT) == FORMAT
    states = [job.state async for job in former.queries.jobs(SETTLED)]
    assert states == [State.SUCCEEDED, State.DEAD, State.IN_DOUBT, State.CANCELLED]
    created = await former.queries.job(f"{SETTLED}.1")
    assert created.result is not None
    assert created.label == "Café 0"
    again = [new_job(f"k{n}", body=b'{"bot":{"id":"other"}}') for n in range(4)]
    assert [str(each) for each in await former.queries.verdicts(again)] == [
        "changed",
        "redriven",
        "in_doubt",
        "redriven",
    ]
    # The lease of the one that was being sent has lapsed; the hold stands until a person lets it go.
    await former.do(transitions.rescue(OPEN, on_in_doubt="hold"))
    assert await claim(former, batch=OPEN) == []
    await former.operations.release("credential:acme", actor="ana")
    jobs = await claim(former, batch=OPEN)
    assert [job.number for job in jobs] == [1, 2, 3]
    assert all([await send(former, job) for job in jobs])


async def test_what_was_not_told_yet_is_told_under_the_id_it_had(former: Ledger, receiver: Receiver) -> None:
    redis: Any = former.redis
    for on, value in (await redis.hgetall(keys.WEBHOOKS)).items():
        kept = msgspec.json.decode(value) | {"url": receiver.url}
        await redis.hset(keys.WEBHOOKS, on, msgspec.json.encode(kept))
    noted = await redis.xrange(f"pv:{{{SETTLED}}}:events")
    for _ in range(2):  # broken off right before its end, and begun anew
        await redis.set(keys.FORMAT, b"2")
        await former.check()
    webhooks = Webhooks(former, allow_private=True)
    async with session(allow_private=True) as http:
        assert await webhooks.run_once(http) == 2
        assert await webhooks.run_once(http) == 0
    heard = {headers["webhook-id"]: json.loads(body) for headers, body in receiver.heard}
    told = heard[f"msg_{SETTLED}_{noted[-1][0].decode()}"]
    assert told["type"] == "batch.settled"
    assert told["data"]["states"]["succeeded"] == 1
    assert {id_.split("_")[1] for id_ in heard} == {SETTLED, UNSEEN}


async def test_while_workers_of_the_former_version_run_it_is_left_alone(former: Ledger) -> None:
    redis: Any = former.redis
    sign = WorkerSign(name="w-old", at=time.time(), in_flight=0, limit=1, in_hand=0)
    await redis.zadd(keys.WORKERS, {"w-old": int(time.time() * 1000)})
    await redis.hset(keys.WORKER_SIGNS, "w-old", msgspec.json.encode(sign))
    with pytest.raises(ContractError, match=r"workers are running \(w-old\)") as refused:
        await former.check()
    assert "stop all workers and servers" in str(refused.value.hint)
    assert await redis.get(keys.FORMAT) == b"2"


async def test_two_processes_do_not_take_it_over_at_once(former: Ledger) -> None:
    await former.redis.set(f"{keys.FORMAT}:taken-over", "1", ex=60)
    with pytest.raises(LedgerUnavailableError, match="another process"):
        await former.check()
    assert await former.redis.get(keys.FORMAT) == b"2"


async def test_who_comes_just_after_another_has_taken_it_over_leaves_it_alone(former: Ledger) -> None:
    redis: Any = former.redis
    await former.check()
    await redis.rpush(keys.outbox(OPEN), "9-0 batch.settled")
    sign = WorkerSign(name="w-new", at=time.time(), in_flight=0, limit=1, in_hand=0)
    await worker_registry.sign(former, sign, queue=None)
    await migrate(redis, former.queries, former.encryption)  # it has read `2` before
    assert await redis.lrange(keys.outbox(OPEN), 0, -1) == [b"9-0 batch.settled"]


async def test_a_webhook_that_nobody_can_read_does_not_keep_it(former: Ledger) -> None:
    redis: Any = former.redis
    await redis.hset(keys.WEBHOOKS, OPEN, b"garbage")
    await former.check()
    assert await redis.get(keys.FORMAT) == FORMAT
    assert await redis.exists(keys.outbox(UNSEEN))
