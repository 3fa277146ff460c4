"""Keys that were rotated while a worker or a door ran on with the old ones: nothing stops without a word."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from provisioning import scopes
from provisioning.ledger import Ledger
from provisioning.lifecycle import State
from tests.support.engine_bench import Bench, fresh_bench, jobs
from tests.support.http_server import job, problem, running_server
from tests.support.sandbox_process import running_sandbox
from worker.events.log_listener import log_telemetry_event

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
async def bench(valkey_url: str) -> AsyncIterator[Bench]:
    async with fresh_bench(valkey_url) as plain, Ledger.at(valkey_url, masters=NEW) as sealed:
        yield Bench(sealed, plain.settings)


@pytest.mark.parametrize("masters", ["", OLD], ids=["no_key", "another_key"])
async def test_a_worker_without_the_key_hands_back_and_says_why_till_it_has_it(
    bench: Bench, masters: str, caplog: pytest.LogCaptureFixture
) -> None:
    with running_sandbox() as sandbox:
        here = bench.at(sandbox.url)
        batch = await here.submit("sealed", jobs(300))
        async with here.engine("w1", encryption_keys=SecretStr(masters), listeners=[log_telemetry_event]):
            status = await here.until(
                batch, lambda status: bool(status.holds) and status.states[State.QUEUED] == 300
            )
            [hold] = status.holds
            assert (hold.scope, hold.kind, hold.by) == (scopes.of_batch(batch), "brake", "w1")
            assert hold.why == (
                "worker w1 cannot open its bodies with PROVISION_ENCRYPTION_KEYS; give it the keys the others"
                f" have, restart it, then: provision resume {batch}"
            )
            assert "brake.applied" in caplog.text
            assert f"provision resume {batch}" in caplog.text
            reasons = {each.reason async for each in here.ledger.queries.jobs(batch)}
            assert "sealed" in reasons
            assert reasons <= {"sealed", "accepted"}
            # Lifted too early, it is put on again.
            await here.ledger.operations.release(scopes.of_batch(batch), actor="ana")
            await here.until(batch, lambda status: bool(status.holds) and not status.states[State.CLAIMED])
        async with here.engine("w1", encryption_keys=SecretStr(NEW)):
            await here.ledger.operations.release(scopes.of_batch(batch), actor="ana")
            status = await here.settled(batch)
    assert status.states[State.SUCCEEDED] == status.attempts == 300


async def test_a_door_without_the_key_says_so(bench: Bench, valkey_url: str, tmp_path: Path) -> None:
    async with Ledger.at(valkey_url, masters=f"{NEW},{OLD}") as rotating:
        with running_server(valkey_url, tmp_path, ENCRYPTION_KEYS=OLD) as server:
            await Bench(rotating, bench.settings).submit("other", jobs(1))
            answer = server.post("/v1/jobs", job("one"))
    assert problem(answer) == "keys-missing"
    assert answer.status_code == 503
    assert "PROVISION_ENCRYPTION_KEYS" in answer.json()["hint"]
    assert answer.headers["Retry-After"]
