"""The Celery door: what any service sends by name comes into the ledger, or is kept with the reason."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakeredis
import pytest
from celery import Celery
from cryptography.fernet import Fernet
from redis import Redis

from producers.celery_intake import take_in
from provisioning.broker.queue import Notifier, make_app
from provisioning.config.settings import Settings
from provisioning.errors import ConfigurationError, LedgerUnavailableError
from provisioning.ledger import Ledger, keys
from provisioning.ledger.encryption import KeylessError
from tests.support.commands import Desk, running_worker
from tests.support.http_server import job, provision, running_server

DEADLINE = 60.0
ODD = {"key": "a", "bot": {"id": "(1)"}}


class Silent(Notifier):
    """A doorbell without a broker; every worker looks for itself."""

    def __init__(self) -> None:
        super().__init__(Celery())

    def notify(self, batch: str) -> None:  # noqa: ARG002
        raise LedgerUnavailableError("no broker")


async def refused(ledger: Ledger) -> list[dict[str, Any]]:
    redis: Any = ledger.redis
    return [json.loads(line) for line in await redis.lrange(keys.INTAKE_DEAD, 0, -1)]


async def test_jobs_of_a_message_are_in_the_ledger(ledger: Ledger) -> None:
    message = {"jobs": [job("a"), job("b")], "batch": "tenants"}
    await take_in(ledger, "t1", (), message, Silent())
    await take_in(ledger, "t1", (), message, Silent())  # delivered twice
    status = await ledger.queries.status(await ledger.queries.batch_id("tenants"))
    assert status.accepted == 2
    assert await refused(ledger) == []


async def test_a_message_can_say_that_ids_are_meant(ledger: Ledger) -> None:
    for as_is in ([], ["bot.id"]):
        message = {"jobs": [ODD], "batch": "odd", "idempotency_key": f"k{len(as_is)}", "as_is": as_is}
        await take_in(ledger, f"t{len(as_is)}", (), message, Silent())
    assert (await ledger.queries.status(await ledger.queries.batch_id("odd"))).accepted == 1
    [kept] = await refused(ledger)
    assert kept["task"] == "t0"


async def test_one_job_without_a_batch_is_urgent(ledger: Ledger) -> None:
    await take_in(ledger, "t1", (), {"jobs": [job("a")]}, Silent())
    status = await ledger.queries.status(await ledger.queries.batch_id("single"))
    assert status.meta["urgent"] == "1"


@pytest.mark.parametrize(
    ("args", "kwargs", "reason"),
    [
        ((), {}, "missing required field `jobs`"),
        ((), {"jobs": []}, "no jobs"),
        ((), {"jobs": "all"}, "Expected `array`"),
        ((), {"jobs": [job("a")], "bacth": "x"}, "unknown field `bacth`"),
        (([job("a")],), {}, "send kwargs"),
        ((), {"jobs": [job("a")], "batch": "x\n"}, "1 to 200 visible characters"),
        ((), {"jobs": [{"key": "a"}]}, "job 1, bot.id: no bot id"),
        ((), {"jobs": [5]}, "job 1: the body is a number"),
        ((), {"jobs": [job("a", label="\ud800")]}, "surrogate"),
        ((), {"jobs": [{"key": None, "bot": {"id": "100200300"}}]}, "job 1, key: the key is empty"),
        ((), {"jobs": [ODD]}, 'use "as_is": ["bot.id"]'),
        (
            (),
            {"jobs": [{"bot": {"id": "TBD"}}]},
            "stands for nothing (write the id there, or leave the row out",
        ),
        ((), {"jobs": [{"bot": {"id": "2026-01-02"}}]}, "a date, which is no id"),
        ((), {"jobs": [{"bot": {"id": "0"}}]}, 'use "as_is": ["bot.id"]'),
        ((), {"jobs": [{"key": "a"}]}, 'use "new_bots": true'),
        ((), {"jobs": [job("a")], "as_is": ["label"]}, "'label' is not a column of ids (use one of"),
    ],
)
async def test_a_bad_message_is_kept_once_with_its_reason(
    ledger: Ledger, args: tuple[Any, ...], kwargs: dict[str, Any], reason: str
) -> None:
    for _ in range(2):
        await take_in(ledger, "t1", args, kwargs, Silent())
    [kept] = await refused(ledger)
    assert reason in kept["reason"]
    assert kept["task"] == "t1"
    assert [each async for each in ledger.queries.batches()] == []


@pytest.mark.parametrize("masters", ["", Fernet.generate_key().decode()], ids=["no_key", "another_key"])
async def test_a_message_that_cannot_be_sealed_here_is_not_kept_in_clear_but_left_to_others(
    masters: str,
) -> None:
    server = fakeredis.FakeServer()
    sealed = Ledger(fakeredis.FakeAsyncRedis(server=server), masters=Fernet.generate_key().decode())
    await take_in(sealed, "t1", (), {"jobs": [job("a")], "batch": "first"}, Silent())
    here = Ledger(fakeredis.FakeAsyncRedis(server=server), masters=masters)
    with pytest.raises((KeylessError, ConfigurationError), match="PROVISION_ENCRYPTION_KEYS"):
        await take_in(here, "t2", (), {"jobs": [job("b")], "batch": "second"}, Silent())
    assert await refused(here) == []


async def test_good_jobs_of_a_message_with_a_bad_one_are_taken(ledger: Ledger) -> None:
    message = {"jobs": [job("a"), {"key": "bad"}, job("c")], "batch": "mixed"}
    await take_in(ledger, "t1", (), message, Silent())
    status = await ledger.queries.status(await ledger.queries.batch_id("mixed"))
    assert status.accepted == 2
    [kept] = await refused(ledger)
    assert kept["message"]["kwargs"] == {"batch": "mixed", "jobs": [{"key": "bad"}]}


async def test_a_key_that_comes_with_other_jobs_is_refused(ledger: Ledger) -> None:
    for name in ("a", "b"):
        message = {"jobs": [job(name)], "batch": "once", "idempotency_key": "k"}
        await take_in(ledger, f"t-{name}", (), message, Silent())
    status = await ledger.queries.status(await ledger.queries.batch_id("once"))
    assert status.accepted == 1
    [kept] = await refused(ledger)
    assert kept["task"] == "t-b"


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_both_doors_lead_to_widgets(desk: Desk, valkey_url: str, tmp_path: Path) -> None:
    """Two processes, a server and a worker; jobs through HTTP and through the broker all succeed."""
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
    settings = Settings.from_env({"PROVISION_REDIS_URL": valkey_url})
    sender = Celery("another-service", broker=settings.broker)  # knows the broker and a name
    sender.conf.task_ignore_result = True
    assert make_app(settings).conf.task_default_queue == sender.conf.task_default_queue
    with running_worker(desk, valkey_url), running_server(valkey_url, tmp_path) as server:
        taken = server.post("/v1/jobs", job("by-http")).json()
        server.post("/v1/batches?name=file", b"key,bot.id\nf1,100\nf2,200\n", Content_Type="text/csv")
        for _ in range(2):
            sender.send_task(
                "provision.submit",
                kwargs={"jobs": [job("m1"), job("m2")], "batch": "message", "idempotency_key": "m"},
            )
        sender.send_task("provision.submit", kwargs={"jobs": "nonsense", "batch": "bad"})
        sender.send_task("provision.submit", args=[5])

        def settled(batch: str, count: int) -> bool:
            shown = server.get(f"/v1/batches/{batch}")
            return shown.status_code == 200 and shown.json()["states"]["succeeded"] == count

        until(lambda: settled("single", 1) and settled("file", 2) and settled("message", 2))
        story = server.get(f"/v1/jobs/{taken['job']}").json()
        assert story["state"] == "succeeded"
        assert story["widget_key"]
        messages = until(
            lambda: len(found := server.get("/v1/refused-messages").json()["messages"]) == 2 and found
        )
        assert {each["batch"] for each in messages} == {"bad", ""}
        shown = provision(valkey_url, "refused-messages", "--json")
        assert {json.loads(line)["batch"] for line in shown.stdout.splitlines()} == {"bad", ""}
        created = server.get("/v1/batches/file/outcomes/created.csv").text
        assert created.count("\n") == 3
    sender.close()
