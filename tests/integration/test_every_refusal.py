"""Every word by which a Redis says no for now: the ledger and each path of the broker wait it out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu.exceptions import OperationalError
from pydantic import SecretStr

from provisioning.broker.queue import Notifier, Waiting, check_rights, make_app
from provisioning.config.settings import Settings
from provisioning.errors import LedgerUnavailableError, LedgerUnfitError
from provisioning.ledger import Ledger, transitions
from provisioning.ledger.refusals import _MEANING
from provisioning.messages import QUEUE
from tests.integration.test_refusing_redis import _valkey
from tests.support.commands import Desk, running_worker, tenants, until
from tests.support.ledger_fixtures import new_job
from tests.support.refusing_front import TEXTS, Front, refusing_front
from tests.support.sandbox_process import running_sandbox

ROWS = 60

ONE_TRY = {"max_retries": 1, "interval_start": 0}
"""Of a connection: its errors come at once."""


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with _valkey(tmp_path / "valkey") as valkey, refusing_front(valkey.url) as front:
        yield front


def test_every_word_that_we_read_is_tried() -> None:
    assert set(TEXTS) == set(_MEANING)


@pytest.mark.parametrize("word", TEXTS)
async def test_the_ledger_says_that_it_passes_and_goes_on(front: Front, word: str) -> None:
    async with Ledger.at(front.url, connections=2) as ledger:
        await ledger.do(transitions.open_batch("b1", "b1", {}))
        front.refusing = word
        for ask in (
            lambda: ledger.do(transitions.accept("b1", [new_job("k1")], "ana")),
            lambda: ledger.queries.status("b1"),
            ledger.queries.holds,
        ):
            with pytest.raises(LedgerUnavailableError) as caught:
                await ask()
            assert not isinstance(caught.value, LedgerUnfitError)
            assert caught.value.hint
        front.refusing = None
        await ledger.do(transitions.accept("b1", [new_job("k1")], "ana"))
        assert (await ledger.queries.status("b1")).accepted == 1


@pytest.mark.parametrize("word", TEXTS)
async def test_every_path_of_the_broker_goes_on(front: Front, word: str) -> None:
    app = make_app(Settings(redis_url=SecretStr(front.url)))
    await asyncio.to_thread(_paths_of_the_broker, app, front, word)


def _paths_of_the_broker(app: Any, front: Front, word: str) -> None:
    notifier, waiting = Notifier(app), Waiting(app)
    notifier.notify("b1")
    given: list[Any] = []
    with app.connection_for_read(transport_options=ONE_TRY) as connection:

        def consume() -> None:
            connection.Consumer([app.amqp.queues[QUEUE]], on_message=given.append).consume()

        consume()
        connection.drain_events(timeout=5)
        front.refusing = word
        for ask in (lambda: notifier.notify("b2"), waiting.count, waiting.taken):
            with pytest.raises(LedgerUnavailableError):
                ask()
        if word != "NOPERM":  # which it is there to find
            assert not check_rights(app)
        # Celery makes its connection anew after these errors, and ends its worker after any other.
        errors = (*connection.connection_errors, OperationalError)
        with pytest.raises(errors):
            _drain_on(connection)
        for _ in range(2):
            connection.collect()
            with pytest.raises(errors):
                consume()
        connection.collect()
        front.refusing = None
        consume()
        notifier.notify("b3")
        until(lambda: "b3" in _drained(connection, given), "what came later is taken")
        for message in given[-1:]:
            message.ack()
        assert _batches(given)[0] == "b1"
        waiting.close()


def _drain_on(connection: Any) -> None:
    """Looks for messages until a look ends in an error."""
    while True:
        _drained(connection, [])


def _drained(connection: Any, given: list[Any]) -> list[str]:
    """Looks once more. Returns: the batches given so far."""
    with contextlib.suppress(TimeoutError):
        connection.drain_events(timeout=1)
    return _batches(given)


def _batches(given: list[Any]) -> list[str]:
    return [message.payload[1]["batch"] for message in given]


@pytest.mark.parametrize("word", ["LOADING", "CLUSTERDOWN"])  # others: test_refusing_redis.py
def test_a_worker_waits_it_out_and_sends_nothing_twice(tmp_path: Path, front: Front, word: str) -> None:
    with running_sandbox("--seed", "3") as sandbox:
        desk = Desk(
            tmp_path / "desk",
            API_URL=sandbox.url,
            CLIENT_ID="sandbox",
            CLIENT_SECRET="sandbox",
            RATE="unlimited",
            MAX_IN_FLIGHT="20",
            REDIS_URL=front.url,
        )
        desk.folder.mkdir()
        sandbox.post_faults({"latency": "0.3"})
        tenants(desk.folder / "tenants.csv", ROWS)
        with running_worker(desk, front.url) as worker:
            assert desk.run("apply", "tenants.csv", "--detach").code == 0
            until(lambda: sandbox.stats()["posts"] >= 10, "POSTs are in flight")
            front.refusing = word
            until(lambda: worker.said.count("ledger.lost") >= 3, "the worker meets the trouble")
            until(lambda: sandbox.stats()["in_flight"] == 0, "every POST is answered")
            assert worker.process.poll() is None
            shown = desk.run("status", "tenants")
            assert (shown.code, shown.err[:7]) == (2, "error: ")
            front.refusing = None
            until(lambda: desk.run("status", "tenants", "--json").last["settled"], "the batch is settled")
            assert worker.process.poll() is None
            for bad in ("chore.failed", "Unrecoverable", "Traceback"):
                assert bad not in worker.said
        states = desk.status("tenants")["states"]
        assert (states["succeeded"], sandbox.stats()["posts"]) == (ROWS, ROWS)
        desk.leave()


@pytest.mark.parametrize("word", ["LOADING", "MASTERDOWN"])
def test_a_worker_stops_while_redis_refuses(tmp_path: Path, front: Front, word: str) -> None:
    """Also where Celery meets it first in sending a sign of life, which it would try for ever."""
    desk = Desk(tmp_path / "desk", CLIENT_ID="sandbox", CLIENT_SECRET="sandbox", REDIS_URL=front.url)
    desk.folder.mkdir()
    try:
        with running_worker(desk, front.url) as worker:
            until(lambda: "ready." in worker.said, "the worker is ready")
            front.refusing = word
            until(lambda: worker.said.count("ledger.lost") >= 2, "the worker meets the trouble")
            worker.process.terminate()
            worker.process.wait(20)
    finally:
        desk.leave()
