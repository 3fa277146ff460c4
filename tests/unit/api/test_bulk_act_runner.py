"""The server that carries bulk acts out: leaves alone what another has, goes on after an error."""

from __future__ import annotations

import asyncio

import pytest

from api import bulk_act_runner
from api.bulk_act_runner import BulkActRunner
from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import Ledger, Selection
from provisioning.ledger.bulk_acts import Asked, BulkAct, Verb
from provisioning.lifecycle import State

ID = "a" * 16


async def asked(ledger: Ledger) -> None:
    dead = Selection(State.DEAD)
    await ledger.bulk_acts.ask(Asked(ID, Verb.REDRIVE, "b1", "default", "ana", dead, 0, 1.0))


@pytest.fixture
def looks(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A number for each look for acts."""
    seen: list[int] = []
    find = ledger.bulk_acts.open

    async def look() -> list[str]:
        seen.append(len(seen))
        return await find()

    monkeypatch.setattr(ledger.bulk_acts, "open", look)
    return seen


async def test_a_server_does_not_ask_over_and_over_for_what_another_has(
    ledger: Ledger, looks: list[int]
) -> None:
    await asked(ledger)
    assert await ledger.bulk_acts.take(ID, "another")
    closing = asyncio.Event()
    running = asyncio.create_task(BulkActRunner(ledger, lambda _: None).run(closing))
    await asyncio.sleep(0.3)
    closing.set()
    await running
    assert len(looks) <= 2


async def test_an_act_goes_on_after_an_error(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_act_runner, "LOOK_EVERY", 0.02)
    await asked(ledger)
    tries: list[int] = []
    step = ledger.bulk_acts.step

    async def fail_twice(act: BulkAct) -> None:
        tries.append(len(tries))
        if len(tries) < 3:
            raise LedgerUnavailableError("away") if len(tries) == 1 else RuntimeError("a bug")
        await step(act)

    monkeypatch.setattr(ledger.bulk_acts, "step", fail_twice)
    closing = asyncio.Event()
    runner = BulkActRunner(ledger, lambda _: None)
    running = asyncio.create_task(runner.run(closing))
    act = await runner.wait(ID, 10)
    closing.set()
    await running
    assert (act.ended, len(tries)) == (True, 3)
