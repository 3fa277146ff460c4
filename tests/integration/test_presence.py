"""Whether a worker lives is judged by one clock, Redis', however wrong those of the hosts are."""

from __future__ import annotations

import time

import pytest

from provisioning.health.liveness import ALIVE_WITHIN
from provisioning.ledger import Ledger, WorkerSign, keys
from worker.dispatch.registry import WorkerRegistry

SIGN = WorkerSign(name="w1", at=0.0, in_flight=0, limit=1, in_hand=0)


@pytest.mark.parametrize("off", [-3600.0, 0.0, 3600.0])
async def test_a_worker_whose_clock_is_off_is_seen(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, off: float
) -> None:
    there = time.time
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(time, "time", lambda: there() + off)
        await WorkerRegistry(ledger, name="w1").sign(SIGN)
        assert [each.name for each in await ledger.queries.workers()] == ["w1"]
    assert [each.name for each in await ledger.queries.workers()] == ["w1"]


async def test_a_worker_that_gives_no_sign_any_more_is_gone(ledger: Ledger) -> None:
    await WorkerRegistry(ledger, name="w1").sign(SIGN)
    await ledger.redis.zincrby(keys.WORKERS, -ALIVE_WITHIN * 1000, "w1")
    assert await ledger.queries.workers() == []
