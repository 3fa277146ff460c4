"""Task events reach whoever listens on the broker, and a broker that is away costs a worker nothing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from provisioning.broker.queue import make_app
from provisioning.config.settings import Settings
from provisioning.ledger import Claim
from provisioning.lifecycle import State
from tests.support.commands import until
from tests.support.engine_bench import Bench, fresh_bench, jobs
from tests.support.sandbox_process import running_sandbox
from worker.events.flower_events import MOST_AT_ONCE, MOST_WAITING, FlowerEvents
from worker.events.telemetry import Claimed, Lapsed

LEASE = 20.0
JOB = Claim(1, 1, "k", "acme", None, 0, b"{}", batch="b1")


@pytest.fixture
async def bench(valkey_url: str) -> AsyncIterator[Bench]:
    async with fresh_bench(valkey_url, backoff_base=0.01, backoff_cap=0.02) as bench:
        yield bench


@contextmanager
def heard(app: Any) -> Iterator[list[dict[str, Any]]]:
    """All task events on the broker, as Flower receives them, while the block runs."""
    events: list[dict[str, Any]] = []
    stop = threading.Event()
    ready = threading.Event()

    def listen() -> None:
        with app.connection_for_read() as connection:
            receiver = app.events.Receiver(connection, handlers={"*": events.append})
            with receiver.consumer_context(wakeup=False) as (link, _, _):
                ready.set()
                while not stop.is_set():
                    try:
                        link.drain_events(timeout=0.1)
                    except TimeoutError:
                        continue

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        assert ready.wait(30)
        yield events
    finally:
        stop.set()
        listener.join()


@pytest.mark.parametrize("which", ["all", "problems"])
async def test_every_job_is_heard_to_its_end_and_only_problems_if_only_they_are_wanted(
    bench: Bench, which: Any
) -> None:
    app = make_app(bench.settings)
    with heard(app) as events, running_sandbox("--fault", "error-500=0.3", "--seed", "7") as sandbox:
        here = bench.at(sandbox.url)
        flower = FlowerEvents(app, "w1@here", which, LEASE)
        flower.start()
        async with here.engine(listeners=[flower]):
            batch = await here.submit("told", jobs(40))
            status = await here.settled(batch)
        flower.stop()
        troubled = 0
        for number in range(1, 41):
            troubled += len((await bench.ledger.queries.job(f"{batch}.{number}")).attempts) > 1
        told = 40 if which == "all" else troubled
        until(lambda: sum(event["type"] == "task-succeeded" for event in events) == told, "all is heard")
    assert 0 < troubled < 40
    kinds = Counter(event["type"] for event in events)
    assert kinds["task-received"] == kinds["task-started"] == told
    assert kinds["task-retried"] == status.attempts - 40
    assert {event["hostname"] for event in events} == {"w1@here"}
    assert flower.dropped == 0


def test_a_broker_that_is_away_costs_a_worker_nothing_and_what_is_left_out_is_counted() -> None:
    app = make_app(Settings(redis_url=SecretStr("redis://127.0.0.1:1/0")))
    flower = FlowerEvents(app, "w1@here", "all", LEASE)
    flower.start()
    for _ in range(MOST_WAITING):
        flower(Claimed(JOB))
    left_out = flower.dropped
    assert MOST_WAITING // 2 - MOST_AT_ONCE <= left_out <= MOST_WAITING // 2
    flower(Lapsed("b1", 1, State.IN_DOUBT))  # an end still finds room
    assert flower.dropped == left_out
    flower.stop()


def test_what_a_broker_was_away_for_is_heard_when_it_is_back(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(Settings(redis_url=SecretStr(valkey_url)))
    connect = app.connection_for_write
    tries: list[str] = []

    def away_at_first(**options: Any) -> Any:
        tries.append("")
        if len(tries) < 3:
            raise ConnectionRefusedError("away")
        return connect(**options)

    monkeypatch.setattr(app, "connection_for_write", away_at_first)
    with heard(app) as events:
        flower = FlowerEvents(app, "w1@here", "all", LEASE)
        flower.start()
        flower(Claimed(JOB))
        until(lambda: events, "it is heard")
        flower.stop()
    assert [(event["type"], event["uuid"]) for event in events] == [("task-received", "b1.1")]
