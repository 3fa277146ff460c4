"""Real Sentinels: ledger and broker find the primary, and find the next one when that is killed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from provisioning.broker.queue import Notifier, Waiting, make_app
from provisioning.checks.broker import check_broker
from provisioning.checks.finding import Level
from provisioning.config.settings import Settings
from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import Ledger, transitions
from provisioning.messages import QUEUE
from tests.support.commands import until
from tests.support.ledger_fixtures import new_job
from tests.support.sentinels import NAME, PATIENCE, Sentinels, running_sentinels

PASSWORD, OWN = "of the servers' #1", "of the sentinels' #2"


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    with running_sentinels(tmp_path / "redis", password=PASSWORD, sentinel_password=OWN) as sentinels:
        yield sentinels


def settings_of(url: str) -> Settings:
    return Settings.from_env({"PROVISION_REDIS_URL": url})


async def waited_out(do: Callable[[], Awaitable[object]]) -> list[LedgerUnavailableError]:
    """Does a thing as a worker does: again, until Redis is there. Returns: what it met."""
    met: list[LedgerUnavailableError] = []
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await do()
                return met
            except LedgerUnavailableError as error:
                met.append(error)
                await asyncio.sleep(0.05)


def ring_until_heard(notifier: Notifier, batch: str) -> None:
    def rung() -> bool:
        with contextlib.suppress(LedgerUnavailableError):
            notifier.notify(batch)
            return True
        return False

    until(rung, "the broker is there")


async def test_the_ledger_goes_on_with_the_next_primary_and_has_lost_nothing(sentinels: Sentinels) -> None:
    async with Ledger.at(sentinels.url, replicas=1) as ledger:
        await ledger.do(transitions.open_batch("b1", "b1", {}))
        await ledger.do(transitions.accept("b1", [new_job("k1")], "ana"))
        old = sentinels.kill_primary()
        met = await waited_out(lambda: ledger.do(transitions.accept("b1", [new_job("k2")], "ana")))
        assert met
        assert all(f"{NAME} (Sentinels " in error.message for error in met if "replicas" not in error.message)
        assert PASSWORD not in str(met)
        assert OWN not in str(met)
        assert sentinels.primary() != old
        assert (await ledger.queries.status("b1")).accepted == 2


async def test_an_old_primary_that_comes_back_gets_nothing(sentinels: Sentinels) -> None:
    async with Ledger.at(sentinels.url) as ledger:
        await ledger.do(transitions.open_batch("b1", "b1", {}))
        old = sentinels.servers[0]
        sentinels.fail_over()
        sentinels.start_server(old)  # it takes itself for the primary until somebody says otherwise
        await waited_out(lambda: ledger.do(transitions.accept("b1", [new_job("k1")], "ana")))
        # Sentinels say so after eight quiet seconds, which a busy machine may never have.
        sentinels.follow(old, sentinels.primary())
        await ledger.redis.connection_pool.disconnect()
        await ledger.do(transitions.accept("b1", [new_job("k2")], "ana"))
        assert (await ledger.queries.status("b1")).accepted == 2


async def test_a_failover_by_hand_is_followed(sentinels: Sentinels) -> None:
    """Nobody dies: open connections lead to a server that has become a replica."""
    notifier = Notifier(make_app(settings_of(sentinels.url)))
    async with Ledger.at(sentinels.url, connections=4) as ledger:
        await ledger.do(transitions.open_batch("b1", "b1", {}))
        await asyncio.gather(*(ledger.queries.status("b1") for _ in range(4)))  # every connection is open
        await asyncio.to_thread(notifier.notify, "b1")
        old = sentinels.primary()
        with sentinels.sentinel(sentinels.sentinels[0]) as sentinel:
            sentinel.execute_command("SENTINEL", "FAILOVER", NAME)
        sentinels.until(lambda: sentinels.primary() != old, "another primary is chosen")
        # Sentinels say so after eight quiet seconds, which a busy machine may never have.
        sentinels.follow(old, sentinels.primary())
        for n in range(8):
            jobs = [new_job(f"k{n}")]
            await waited_out(lambda jobs=jobs: ledger.do(transitions.accept("b1", jobs, "ana")))  # type: ignore[misc]
        assert (await ledger.queries.status("b1")).accepted == 8
        await asyncio.to_thread(ring_until_heard, notifier, "b2")
        with sentinels.server(sentinels.primary()) as redis:
            assert redis.llen(QUEUE) == 2


async def test_a_sentinel_that_is_away_is_passed_over_and_all_of_them_are_waited_for(
    sentinels: Sentinels,
) -> None:
    async with Ledger.at(sentinels.url) as ledger:
        sentinels.kill(sentinels.sentinels[0])
        await ledger.queries.holds()
        for port in sentinels.sentinels[1:]:
            sentinels.kill(port)
        await ledger.queries.holds()  # an open connection needs none of them
        await ledger.redis.connection_pool.disconnect()
        with pytest.raises(LedgerUnavailableError, match="cannot be found") as caught:
            await ledger.queries.holds()
        assert "start the Sentinels" in caught.value.hint
        notifier = Notifier(make_app(settings_of(sentinels.url)))
        with pytest.raises(LedgerUnavailableError, match="the broker cannot be reached"):
            await asyncio.to_thread(notifier.notify, "b1")
        sentinels.start_sentinel(sentinels.sentinels[2])
        await ledger.queries.holds()
        await asyncio.to_thread(notifier.notify, "b1")


async def test_whom_they_name_must_be_a_primary(sentinels: Sentinels) -> None:
    """A sentinel that has not heard of a failover names the old primary, a replica by now."""
    for port in sentinels.sentinels:
        with sentinels.sentinel(port) as sentinel:
            sentinel.sentinel_monitor("stale", "127.0.0.1", sentinels.servers[1], 2)
            sentinel.sentinel_set("stale", "auth-pass", PASSWORD)
    url = sentinels.url.replace(f"/{NAME}/", "/stale/")
    async with Ledger.at(url) as ledger:
        with pytest.raises(LedgerUnavailableError, match="whom they name, is a replica"):
            await ledger.queries.holds()
    notifier = Notifier(make_app(settings_of(url)))
    with pytest.raises(LedgerUnavailableError, match="whom they name, is a replica"):
        await asyncio.to_thread(notifier.notify, "b1")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (lambda it: it.url.partition("?")[0], "the Sentinels have another password"),
        (
            lambda it: it.url.partition("?")[0] + "?sentinel_password=no",
            "the Sentinels have another password",
        ),
        (lambda it: f"sentinel://{it.places}/{NAME}?sentinel_password={OWN.replace('#', '%23')}", "password"),
        (lambda it: it.url.replace(f"/{NAME}/", "/other/"), "no primary is called other"),
    ],
)
async def test_what_is_wrong_with_an_address_is_said(tmp_path: Path, url: Any, said: str) -> None:
    with running_sentinels(tmp_path / "redis", replicas=0, password=PASSWORD, sentinel_password=OWN) as it:
        async with Ledger.at(url(it)) as ledger:
            with pytest.raises(LedgerUnavailableError, match=said) as caught:
                await ledger.queries.holds()
    assert "PROVISION_" in caught.value.hint


def test_messages_outlive_the_primary_and_a_consumer_goes_on(sentinels: Sentinels) -> None:
    app = make_app(settings_of(sentinels.url))
    notifier, waiting = Notifier(app), Waiting(app)
    notifier.notify("before")
    assert (waiting.count(), waiting.taken()) == (1, 0)
    for port in sentinels.servers[1:]:
        sentinels.until(lambda port=port: sentinels.server(port).llen(QUEUE) == 1, "replicas have it")  # type: ignore[misc]
    given: list[str] = []

    def take(message: Any) -> None:
        given.append(message.payload[1]["batch"])
        message.ack()

    with app.connection_for_read() as connection:
        consumer = connection.Consumer([app.amqp.queues[QUEUE]], on_message=take)
        consumer.consume()
        connection.drain_events(timeout=5)
        assert given == ["before"]
        sentinels.until(lambda: sentinels.server(sentinels.primary()).hlen("unacked") == 0, "it is taken")
        sentinels.kill_primary()
        ring_until_heard(notifier, "after")

        def taken() -> bool:
            # As Celery does: after an error of the connection everything is made anew on it.
            nonlocal consumer
            try:
                connection.drain_events(timeout=1)
            except TimeoutError:
                return False
            except connection.connection_errors:
                with contextlib.suppress(*connection.connection_errors):
                    connection.collect()
                    consumer = connection.Consumer([app.amqp.queues[QUEUE]], on_message=take)
                    consumer.consume()
            return "after" in given

        until(taken, "the consumer takes what came after")
    waiting.close()


async def test_the_doctor_tries_what_celery_needs(sentinels: Sentinels) -> None:
    settings = Settings(broker_url=SecretStr(sentinels.url))
    found = await asyncio.to_thread(lambda: list(check_broker(settings)))
    assert [(each.check, each.level) for each in found] == [
        ("broker.reachable", Level.OK),
        ("broker.rights", Level.OK),
    ]
    assert PASSWORD not in str(found)
    assert OWN not in str(found)
    assert all(f"127.0.0.1:{port}" in found[0].message for port in sentinels.sentinels)
    with sentinels.server(sentinels.primary()) as redis:
        redis.acl_setuser("ana", enabled=True, passwords=["+p"], keys=["celery*"], commands=["+@all"])
        ana = sentinels.url.replace("://:", "://ana:").replace(sentinels.url.split(":")[2].split("@")[0], "p")
        limited = Settings(broker_url=SecretStr(ana), redis_url=SecretStr(sentinels.url))
        [_, rights] = await asyncio.to_thread(lambda: list(check_broker(limited)))
    assert rights.level is Level.FATAL
    assert "HDEL unacked" in rights.message
