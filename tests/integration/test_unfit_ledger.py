"""A worker that began while its Redis was away looks at it before it touches a job."""

from __future__ import annotations

from typing import Any

import pytest

from provisioning import scopes
from provisioning.config.settings import Settings
from provisioning.errors import ContractError
from provisioning.health.liveness import Liveness
from provisioning.ledger import Ledger, keys
from provisioning.ledger.schema import FORMAT
from provisioning.lifecycle import State
from tests.support.engine_bench import Bench, fresh_bench, jobs
from worker.dispatch.engine import Engine
from worker.dispatch.registry import Supervision

CREDENTIAL = {"PROVISION_CLIENT_ID": "c", "PROVISION_CLIENT_SECRET": "s"}


async def test_jobs_that_another_version_keeps_are_left_alone_and_the_worker_is_not_ready(
    ledger: Ledger,
) -> None:
    bench = Bench(ledger, Settings.from_env(CREDENTIAL))
    batch = await bench.submit("b", jobs(3))
    redis: Any = ledger.redis
    await ledger.operations.hold(scopes.EVERYTHING, actor="ana", justification="to look, not to send")
    await redis.set(keys.FORMAT, b"1")
    before = await redis.lrange(keys.ready(batch, "default"), 0, -1)
    signs = Liveness(engine=0.0, ledger=0.0, message=0.0)
    engine = Engine(
        bench.settings, ledger, {}, name="w1", notify=lambda _: None, supervision=Supervision(signs)
    )
    with pytest.raises(ContractError, match="format 1"):
        await engine.drain(batch)
    with pytest.raises(ContractError, match="format 1"):
        await engine._look()
    assert await redis.lrange(keys.ready(batch, "default"), 0, -1) == before
    ready_before = signs.looked
    await redis.set(keys.FORMAT, FORMAT)
    await engine._look()
    assert (ready_before, signs.looked) == (False, True)
    assert (await bench.status(batch)).states[State.QUEUED] == 3


@pytest.mark.parametrize(("fsync", "said"), [("everysec", True), ("always", False)])
async def test_a_worker_says_at_its_start_what_a_power_cut_may_cost(
    valkey_url: str, caplog: pytest.LogCaptureFixture, *, fsync: str, said: bool
) -> None:
    async with fresh_bench(valkey_url) as bench:
        redis: Any = bench.ledger.redis
        before = (await redis.config_get("appendfsync"))["appendfsync"]
        await redis.config_set("appendfsync", fsync)
        try:
            async with bench.engine():
                batch = await bench.submit("b", jobs(1))
                await bench.until(batch, lambda status: status.states[State.QUEUED] == 0)
        finally:
            await redis.config_set("appendfsync", before)
    told = [record.getMessage() for record in caplog.records if "ledger.exposed" in record.getMessage()]
    assert len(told) == int(said)
