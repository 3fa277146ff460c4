"""`Retry-After` and long waits, with a real engine, a real Valkey and a server that answers to order."""

from __future__ import annotations

import asyncio
import json
import resource
import threading
import time
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from math import ceil
from pathlib import Path
from typing import Any

import pytest

import worker.dispatch.engine
from provisioning.ledger import JobRecord
from provisioning.lifecycle import State
from provisioning.pace import Rate
from tests.support.engine_bench import Bench, credentials_file, fresh_bench, jobs
from tests.support.raw_server import Connection, RawServer
from tests.support.sandbox_process import running_sandbox
from worker.flow.concurrency_limit import FIRST

CREATED = json.dumps(
    {"status": 1, "statusMessage": "success", "data": {"ApiKey": {"id": 1, "key": "k", "widgetId": "w"}}}
)

RetryAfter = Callable[[], str]
"""What the header says, computed when the request comes."""


@pytest.fixture
async def bench(valkey_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    async with fresh_bench(
        valkey_url, credentials_file=credentials_file(tmp_path), backoff_base=0.05, backoff_cap=0.2, lease=4.0
    ) as bench:
        yield bench


def at(url: str, bench: Bench, **changes: Any) -> Bench:
    return Bench(bench.ledger, bench.settings.model_copy(update={"api_url": url, **changes}))


class Busy:
    """An API that is too busy for its first requests and serves all others; it notes when each came."""

    def __init__(self, *wishes: RetryAfter) -> None:
        self.arrivals: list[float] = []
        self.said: list[str] = []
        self._wishes = list(wishes)

    async def __call__(self, connection: Connection) -> None:
        while True:
            await connection.request()
            self.arrivals.append(time.time())
            if self._wishes:
                self.said.append(self._wishes.pop(0)())
                head = f"HTTP/1.1 429 Too Many Requests\r\nRetry-After: {self.said[-1]}\r\n"
                body = ""
            else:
                head, body = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", CREATED
            await connection.send(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())


async def only_job(bench: Bench, batch: str) -> JobRecord:
    return await bench.ledger.queries.job(f"{batch}.1")


async def test_retry_after_in_seconds_is_obeyed(bench: Bench) -> None:
    busy = Busy(lambda: "1")
    async with RawServer(busy) as server:
        here = at(server.url, bench)
        async with here.engine():
            batch = await here.submit("busy", jobs(1))
            status = await here.settled(batch)
    refused, served = busy.arrivals
    assert served - refused >= 1.0
    assert status.states[State.SUCCEEDED] == 1
    [attempt, _] = (await only_job(here, batch)).attempts
    assert attempt.next_delay == 1.0


async def test_retry_after_as_a_date_is_obeyed(bench: Bench) -> None:
    due: list[float] = []

    def in_two_seconds() -> str:
        due.append(float(ceil(time.time() + 1)))
        return formatdate(due[0], usegmt=True)

    busy = Busy(in_two_seconds)
    async with RawServer(busy) as server:
        here = at(server.url, bench)
        async with here.engine():
            batch = await here.submit("busy", jobs(1))
            status = await here.settled(batch)
    # The attempt's delay is kept in whole milliseconds, and so is the time it is measured from.
    assert busy.arrivals[1] >= due[0] - 0.01
    assert status.states[State.SUCCEEDED] == 1


async def test_a_retry_after_beyond_the_cap_is_deferred_and_nothing_is_sent_before_its_time(
    bench: Bench,
) -> None:
    busy = Busy(lambda: "3")
    async with RawServer(busy) as server:
        here = at(server.url, bench, retry_after_cap=0.5)
        async with here.engine() as engine:
            batch = await here.submit("busy", jobs(1))
            await here.until(batch, lambda status: status.attempts == 1 and status.states[State.QUEUED] == 1)
            job = await only_job(here, batch)
            assert job.reason == "rate_limited"
            assert job.not_before == pytest.approx(busy.arrivals[0] + 3, abs=0.5)
            status = await here.settled(batch)
            assert engine.in_hand == 0
    refused, served = busy.arrivals
    # Nobody's for as long as it waited: no lease was renewed, and any worker might have taken it up.
    assert served - refused >= 3.0
    assert status.states[State.SUCCEEDED] == 1
    assert status.attempts == 2


async def test_a_retry_after_outlives_the_worker_that_heard_it(bench: Bench) -> None:
    busy = Busy(lambda: "2")
    async with RawServer(busy) as server:
        here = at(server.url, bench, retry_after_cap=60.0)
        async with here.engine("w1"):
            batch = await here.submit("busy", jobs(1))
            await here.until(batch, lambda status: bool(busy.arrivals) and not status.states[State.SENDING])
        assert (await here.status(batch)).states[State.QUEUED] == 1
        async with here.engine("w2"):
            status = await here.settled(batch)
    refused, served = busy.arrivals
    assert served - refused >= 2.0
    assert status.states[State.SUCCEEDED] == 1


async def test_a_429_holds_its_own_row_and_no_other(bench: Bench) -> None:
    busy = Busy(lambda: "1")
    async with RawServer(busy) as server:
        here = at(server.url, bench, max_in_flight=1)
        async with here.engine():
            batch = await here.submit("busy", jobs(20))
            status = await here.settled(batch)
    refused, *served = busy.arrivals
    assert len(served) == 20
    assert sum(at - refused < 0.95 for at in served) == 19
    assert max(served) - refused >= 0.95  # counted from when the answer had been read
    assert status.states[State.SUCCEEDED] == 20


async def test_five_thousand_jobs_in_backoff_cost_memory_only(bench: Bench) -> None:
    with running_sandbox("--fault", "error-500=1") as sandbox:
        here = at(
            sandbox.url, bench, backoff_base=3600.0, backoff_cap=3600.0, backoff_budget=9999.0, lease=20.0
        )
        async with here.engine() as engine:
            threads, before = threading.active_count(), peak_megabytes()
            batch = await here.submit("flaky", jobs(5000))
            await eventually(lambda: sandbox.stats()["posts"] >= 5000)
            # asyncio's own pool, which looks host names up, has a handful of threads at most.
            assert threading.active_count() < threads + 32
            assert peak_megabytes() - before < 150
            # No slot is held: what else there is to do is done at once.
            doomed = await here.submit("doomed", jobs(20, prefix="d", bot=404_000_000), urgent="1")
            await here.settled(doomed)
            assert engine.in_hand > 4900  # a few have come due
        status = await here.status(batch)
    # A worker that stops hands them all back, each with its attempt counted.
    assert not status.states[State.CLAIMED]
    assert not status.states[State.SENDING]
    assert status.states[State.QUEUED] == 5000


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - the engine tells nobody of its progress
            await asyncio.sleep(0.05)


# --- What a hostile reader found ---


async def test_a_job_is_not_given_up_for_the_time_it_waited_its_turn(bench: Bench) -> None:
    with running_sandbox("--fault", "error-500=0.5") as sandbox:
        # In the line it waits a second and more; on the wire and in backoff it spends some milliseconds.
        here = at(sandbox.url, bench, rate=Rate(25.0), attempts=40, backoff_base=0.01, backoff_budget=0.9)
        async with here.engine():
            batch = await here.submit("patient", jobs(40))
            status = await here.settled(batch)
    assert status.states[State.SUCCEEDED] == 40


async def test_an_api_that_hangs_costs_what_was_in_flight_and_a_few_probes(bench: Bench) -> None:
    with running_sandbox("--fault", "stall-after-create=1:30") as sandbox:
        here = at(sandbox.url, bench, read_timeout=0.5)
        async with here.engine("w1") as one, here.engine("w2") as other:
            batch = await here.submit("hung", jobs(600))
            await here.until(
                batch,
                lambda status: (
                    one.state().outage is not None
                    and other.state().outage is not None
                    and status.states[State.QUEUED] > 400
                ),
            )
            sandbox.post_faults({"scenario": "calm"})
            status = await here.settled(batch)
    # Of each worker a volley of 32, what had its intent recorded when the first of it was given up, and
    # probes.
    assert status.states[State.IN_DOUBT] <= 2 * (32 + 32 + 15)
    assert status.states[State.SUCCEEDED] == 600 - status.states[State.IN_DOUBT]
    assert status.states[State.DEAD] == 0


async def test_stopping_with_posts_in_flight_is_no_outage(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.dispatch.engine, "GRACE", 0.2)

    async def silent(connection: Connection) -> None:
        await connection.request()
        await connection.silence()

    async with RawServer(silent) as server:
        here = at(server.url, bench)
        async with here.engine():
            batch = await here.submit("leaving", jobs(100))
            await here.until(batch, lambda status: status.states[State.SENDING] == FIRST)
        status = await here.status(batch)
    assert status.states[State.IN_DOUBT] == FIRST
    assert not status.holds
