"""What a hostile reviewer reproduced, as claims (issue 4): each failed once."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from provisioning.config.settings import Settings
from provisioning.embedded.valkey import embedded_valkey
from provisioning.job import NewJob
from provisioning.ledger import Deferral, Ledger, Recorded, keys, transitions
from provisioning.lifecycle import State
from provisioning.pace import Rate
from tests.support.engine_bench import Bench, credentials_file, fresh_bench, jobs
from tests.support.sandbox_process import running_sandbox
from worker.dispatch.rescuer import Rescuer
from worker.events.telemetry import Telemetry
from worker.execution.recorder import Recorder


@pytest.fixture
async def bench(valkey_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    file = credentials_file(tmp_path, other="other:other")
    async with fresh_bench(
        valkey_url, credentials_file=file, backoff_base=0.3, backoff_cap=1.0, attempts=3, lease=4.0
    ) as bench:
        yield bench


async def test_cancelled_batches_of_one_credential_cost_another_nothing(bench: Bench) -> None:
    with running_sandbox("--client", "sandbox:sandbox", "--client", "other:other") as sandbox:
        here = bench.at(sandbox.url, rate=Rate(2.0))
        await here.ledger.operations.set_pace("default", Rate(None))
        async with here.engine() as engine:
            slow = [
                await here.submit(f"slow{n}", jobs(20, credential="other", prefix=f"s{n}-"))
                for n in range(20)
            ]
            await here.until(slow[0], lambda status: status.attempts > 0)
            for batch in slow:
                await here.ledger.operations.cancel(batch, "test")
            for batch in slow:
                await here.settled(batch)
            quick = await here.submit("quick", jobs(200))
            await here.settled(quick)
            await here.until(quick, lambda _: not engine._feed.backlog)


async def test_urgent_jobs_of_a_slow_credential_leave_a_worker_hands_for_others(bench: Bench) -> None:
    with running_sandbox("--client", "sandbox:sandbox", "--client", "other:other") as sandbox:
        here = bench.at(sandbox.url, rate=Rate(2.0), max_in_flight=20)
        await here.ledger.operations.set_pace("default", Rate(None))
        async with here.engine() as engine:
            urgent = await here.submit("urgent", jobs(1000, credential="other", prefix="u"), urgent="1")
            await here.until(urgent, lambda status: status.attempts > 2)
            quick = await here.submit("quick", jobs(200))
            await here.settled(quick)
            assert engine.in_hand < 50
            await here.ledger.operations.cancel(urgent, "test")
            await here.settled(urgent)


async def test_all_of_a_dead_workers_jobs_move_at_one_look(bench: Bench) -> None:
    await bench.ledger.do(transitions.open_batch("b", "b", {}))
    many = [NewJob(f"k{n}", "default", b'{"bot":{"id":"1"},"widget":{}}') for n in range(1000)]
    for start in range(0, 1000, 500):
        await bench.ledger.do(transitions.accept("b", many[start : start + 500], "test"))
    while True:
        claim = transitions.claim("b", worker="dead", lease=0.001, target="T", most=500, rooms={})
        if not (await bench.ledger.do(claim)).jobs:
            break
    rescuer = Rescuer(bench.ledger, Telemetry(), on_in_doubt="hold", attempts=6)
    assert [batch async for batch in rescuer.run_once(["b"])] == ["b"]
    assert (await bench.status("b")).states[State.QUEUED] == 1000


async def test_a_worker_stops_in_time_though_redis_is_frozen(tmp_path: Path) -> None:
    with embedded_valkey(tmp_path) as url:
        settings = Settings(redis_url=SecretStr(url), client_id="a", client_secret=SecretStr("b"))
        async with Ledger.at(url) as ledger:
            pid = int((await ledger.redis.info("server"))["process_id"])
            bench = Bench(ledger, settings)
            async with bench.engine():
                os.kill(pid, signal.SIGSTOP)
                began = time.monotonic()
            took = time.monotonic() - began
            os.kill(pid, signal.SIGCONT)
    assert took < 10


async def test_one_write_that_cannot_be_made_stops_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bench.ledger.do_all

    async def broken(calls: Any) -> Any:
        if any(call.key == keys.batch("bad") for call in calls):
            raise AttributeError("a bug")
        return await real(calls)

    monkeypatch.setattr(bench.ledger, "do_all", broken)
    recorder = Recorder(bench.ledger, worker="w1", lease=4.0, target="T", stop_loss=0)
    recorder.start()
    both = await asyncio.gather(
        recorder.deferred("bad", Deferral(1, 1, 0.0, "x")),
        recorder.deferred("good", Deferral(1, 1, 0.0, "x")),
        return_exceptions=True,
    )
    assert isinstance(both[0], AttributeError)
    assert isinstance(both[1], Recorded)
    assert not both[1].taken
    await recorder.stop()
