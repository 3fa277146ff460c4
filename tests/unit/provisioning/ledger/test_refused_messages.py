"""Refused messages are sealed, bounded and let go of in time; one that comes again is kept once."""

from __future__ import annotations

import time
from typing import Any

import fakeredis
import pytest
from cryptography.fernet import Fernet

from provisioning.ledger import Ledger, keys, refused_messages
from provisioning.ledger.reaper import Reaper
from provisioning.retention import Retention

SECRET = "a-tenants-secret"
MESSAGE = {"args": [], "kwargs": {"jobs": [{"key": SECRET}]}}


async def keep(ledger: Ledger, task: str = "t1", reason: str = "no", message: Any = MESSAGE) -> bool:
    return await refused_messages.keep(ledger, task=task, batch="b", reason=reason, message=message)


async def raw(ledger: Ledger) -> bytes:
    redis: Any = ledger.redis
    return b"".join(await redis.lrange(keys.INTAKE_DEAD, 0, -1))


async def test_a_message_that_comes_again_is_kept_once(ledger: Ledger) -> None:
    assert [await keep(ledger) for _ in range(2)] == [True, False]
    assert await keep(ledger, reason="another")
    newest, oldest = await refused_messages.read(ledger)
    assert (newest["reason"], oldest["reason"], oldest["message"]) == ("another", "no", MESSAGE)


async def test_where_encryption_is_on_a_message_is_sealed_and_its_reason_can_be_read_by_all() -> None:
    server = fakeredis.FakeServer()
    masters = Fernet.generate_key().decode()
    ledger = Ledger(fakeredis.FakeAsyncRedis(server=server), masters=masters)
    await keep(ledger)
    assert SECRET.encode() not in await raw(ledger)
    assert (await refused_messages.read(ledger))[0]["message"] == MESSAGE
    keyless = Ledger(fakeredis.FakeAsyncRedis(server=server))
    [shown] = await refused_messages.read(keyless)
    assert (shown["reason"], shown.get("message")) == ("no", None)
    assert "PROVISION_ENCRYPTION_KEYS" in shown["sealed"]


@pytest.mark.parametrize("masters", ["", Fernet.generate_key().decode()], ids=["no_key", "another_key"])
async def test_who_cannot_seal_keeps_the_reason_without_the_message(masters: str) -> None:
    server = fakeredis.FakeServer()
    await keep(Ledger(fakeredis.FakeAsyncRedis(server=server), masters=Fernet.generate_key().decode()))
    here = Ledger(fakeredis.FakeAsyncRedis(server=server), masters=masters)
    assert await keep(here, task="t2")
    assert SECRET.encode() not in await raw(here)
    newest, _ = await refused_messages.read(here)
    assert newest["sealed"].startswith("not kept: ")


async def test_the_oldest_go_beyond_a_count_and_a_size(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused_messages, "MOST", 3)
    for number in range(5):
        await keep(ledger, task=f"t{number}")
    assert [each["task"] for each in await refused_messages.read(ledger)] == ["t4", "t3", "t2"]
    monkeypatch.setattr(refused_messages, "MOST_BYTES", 500)
    await keep(ledger, task="t5", message={"body": "x" * 300})
    assert [each["task"] for each in await refused_messages.read(ledger)] == ["t5"]


async def test_of_a_very_long_message_the_beginning_is_kept(ledger: Ledger) -> None:
    await keep(ledger, message={"body": "x" * refused_messages.LONGEST})
    [kept] = await refused_messages.read(ledger)
    assert kept["message"]["cut"].startswith('{"body": "xxx')
    assert kept["message"]["bytes"] > refused_messages.LONGEST
    assert len(await raw(ledger)) < 2 * refused_messages.CUT


@pytest.mark.parametrize(
    "message", [{"x": {1, 2}}, {"x": b"\xff"}, {"\ud800": "\ud800"}], ids=["a_set", "bytes", "a_surrogate"]
)
async def test_whatever_a_message_holds_it_is_kept(ledger: Ledger, message: Any) -> None:
    assert await keep(ledger, reason="\ud800", message=message)
    assert len(await refused_messages.read(ledger)) == 1


async def test_the_retention_of_dead_letters_lets_go_of_them(ledger: Ledger) -> None:
    await keep(ledger)
    now = time.time()
    for retention, days, left in [
        (Retention(), refused_messages.DAYS - 1, 1),
        (Retention(dead=1), 0.5, 1),
        (Retention(dead=1), 2, 0),
    ]:
        await Reaper(ledger, retention).run_once(now + days * 86_400)
        assert len(await refused_messages.read(ledger)) == left
