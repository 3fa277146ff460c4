"""A failover to a replica that lags: what nobody has confirmed was not sent, so nothing is made twice."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from provisioning.config.settings import Settings
from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import BatchStatus, Ledger, transitions
from provisioning.lifecycle import State
from provisioning.pace import Rate
from tests.support.engine_bench import Bench, jobs
from tests.support.ledger_fixtures import new_job
from tests.support.replicas import Replicas
from tests.support.sandbox_process import running_sandbox

ROWS = 600
MANY = 2500
"""Some are on the wire when the primary dies."""


@pytest.fixture
async def replicas(tmp_path: Path) -> AsyncIterator[Replicas]:
    replicas = Replicas(tmp_path)
    try:
        await replicas.start()
        yield replicas
    finally:
        replicas.stop()


def stall(replicas: Replicas) -> None:
    """No replica hears of anything any more."""
    for link in replicas.links:
        link.stall()


@asynccontextmanager
async def two_workers(url: str, api: str, confirming: int) -> AsyncIterator[Bench]:
    settings = Settings(
        client_id="sandbox",
        client_secret=SecretStr("sandbox"),
        rate=Rate(None),
        redis_url=SecretStr(url),
        redis_replicas=confirming,
        api_url=api,
        max_in_flight=40,
        lease=4.0,
    )
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(Ledger.at(url, connections=32, replicas=confirming))
        bench = Bench(ledger, settings)
        yield bench


async def _settled(bench: Bench, batch: str) -> BatchStatus:
    """Waits out the time in which connections lead to the dead primary."""
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(LedgerUnavailableError):
            status = await bench.status(batch)
            if status.settled:
                return status
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def _play(
    replicas: Replicas, api: str, stats: Any, confirming: int, rows: int = ROWS
) -> tuple[BatchStatus, int]:
    """Two workers; the links stall, the primary dies. Returns: status and duplicates at the end."""
    async with two_workers(replicas.front.url, api, confirming) as bench:
        batch = await bench.submit("failover", jobs(rows))
        async with bench.engine("w1"), bench.engine("w2"):
            await bench.until(batch, lambda status: status.states[State.SUCCEEDED] > rows // 6)
            stall(replicas)
            await asyncio.sleep(0.6)  # in which workers would send what the next primary never hears of
            await replicas.fail_over()
            status = await _settled(bench, batch)
    return status, int(stats()["bodies_created_twice"])


async def test_with_a_replica_that_must_confirm_nothing_is_made_twice_unseen(replicas: Replicas) -> None:
    with running_sandbox("--latency", "0.05") as sandbox:
        status, twice = await _play(replicas, sandbox.url, sandbox.stats, confirming=1)
        widgets = int(sandbox.widgets()["total"])
    assert status.accepted == ROWS
    assert twice == 0
    assert status.bounds.least <= widgets <= status.bounds.most
    assert status.conserved


async def test_an_acceptance_that_no_replica_confirms_is_not_said_to_be_one(replicas: Replicas) -> None:
    async with Ledger.at(replicas.front.url, replicas=1) as ledger:
        await ledger.do(transitions.open_batch("b1", "b1", {}))
        await ledger.do(transitions.accept("b1", [new_job("k1")], "ana"))
        stall(replicas)
        for _ in range(2):  # the second time the script itself writes nothing
            with pytest.raises(LedgerUnavailableError, match="0 of 1 replicas"):
                await ledger.do(transitions.accept("b1", [new_job("k2")], "ana"))


async def test_workers_tell_a_replica_that_nobody_waited_for_what_it_has_lost(
    replicas: Replicas,
) -> None:
    with running_sandbox("--latency", "0.05") as sandbox:
        status, twice = await _play(replicas, sandbox.url, sandbox.stats, confirming=0, rows=MANY)
        widgets = int(sandbox.widgets()["total"])
    assert status.accepted == MANY
    assert status.primary_changed_at is not None
    assert twice == 0
    assert status.bounds.least <= widgets <= status.bounds.most
    assert status.conserved
