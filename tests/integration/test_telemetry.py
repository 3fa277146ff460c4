"""What a worker tells of its work is what the ledger has, and no listener can keep a job from its end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from provisioning.attempt import Outcome
from provisioning.ledger import transitions
from provisioning.lifecycle import State
from provisioning.pace import Rate
from tests.support.engine_bench import DEADLINE, Bench, fresh_bench, jobs
from tests.support.sandbox_process import running_sandbox
from worker.events.telemetry import Attempted, Claimed, Ended, Lapsed, TelemetryEvent


@pytest.fixture
async def bench(valkey_url: str) -> AsyncIterator[Bench]:
    async with fresh_bench(valkey_url, backoff_base=0.01, backoff_cap=0.02) as bench:
        yield bench


async def test_every_claim_attempt_and_end_is_told_once_and_agrees_with_the_ledger(bench: Bench) -> None:
    told: list[TelemetryEvent] = []

    def broken(_: TelemetryEvent) -> None:
        raise RuntimeError("a listener's own trouble")

    with running_sandbox("--fault", "error-500=0.3", "--seed", "7") as sandbox:
        here = bench.at(sandbox.url)
        async with here.engine(listeners=[broken, told.append]):
            batch = await here.submit("told", jobs(40))
            status = await here.settled(batch)
    kinds = Counter(type(each) for each in told)
    assert kinds[Claimed] == 40
    assert kinds[Attempted] == status.attempts > 40
    ended = [each for each in told if isinstance(each, Ended)]
    assert Counter(each.state for each in ended) == {s: n for s, n in status.states.items() if n}
    for each in ended:
        assert each.attempts[-1].outcome is Outcome.CREATED
        assert [attempt.n for attempt in each.attempts] == list(range(1, len(each.attempts) + 1))


async def test_a_lease_that_lapsed_is_told_by_whoever_settles_it(bench: Bench) -> None:
    told: list[TelemetryEvent] = []
    batch = await bench.submit("left", jobs(1))
    url = bench.settings.api_url
    await bench.ledger.do(transitions.claim(batch, worker="gone", lease=0.001, target=url, most=1, rooms={}))
    with running_sandbox() as sandbox:
        async with bench.at(sandbox.url).engine(listeners=[told.append]):
            await bench.settled(batch)
    lapsed = Lapsed(batch, 1, State.QUEUED, key="k0", worker="gone")
    assert [each for each in told if isinstance(each, Lapsed)] == [lapsed]


async def test_a_job_that_is_called_off_while_it_waits_for_its_turn_is_told(bench: Bench) -> None:
    told: list[TelemetryEvent] = []
    ended = asyncio.Event()

    def hear(happening: TelemetryEvent) -> None:
        told.append(happening)
        if isinstance(happening, Ended) and happening.state is State.CANCELLED:
            ended.set()

    with running_sandbox() as sandbox:
        async with bench.at(sandbox.url, rate=Rate(0.5)).engine(listeners=[hear]):
            batch = await bench.submit("slow", jobs(2))
            await bench.until(batch, lambda status: status.states[State.SUCCEEDED] == 1)
            await bench.ledger.do(transitions.cancel(batch, 1, 2, "ana"))
            await asyncio.wait_for(ended.wait(), DEADLINE)
        posts = sandbox.stats()["posts"]
    [called_off] = [each for each in told if isinstance(each, Ended) and each.state is State.CANCELLED]
    assert (called_off.reason, called_off.attempts, posts) == ("cancelled", [], 1)
