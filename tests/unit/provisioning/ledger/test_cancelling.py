"""Calling off a batch: the hold that it needs meanwhile is never left behind."""

from __future__ import annotations

from typing import Any

import pytest

from provisioning import scopes
from provisioning.ledger import Ledger, transitions
from provisioning.ledger.scripts import Call
from provisioning.lifecycle import State
from tests.support.ledger_fixtures import claim, fill, new_job


def breaking(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *scripts: str) -> None:
    """Has the connection break over each call of `scripts`."""
    real = ledger.operations._do

    async def do(call: Call[Any]) -> Any:
        if call.script in scripts:
            raise ConnectionError(call.script)
        return await real(call)

    monkeypatch.setattr(ledger.operations, "_do", do)


async def holds(ledger: Ledger) -> list[str]:
    return [hold.scope for hold in (await ledger.queries.status("b1")).holds]


async def test_a_cancel_that_breaks_off_lifts_its_hold(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(ledger, new_job("a"))
    breaking(ledger, monkeypatch, "cancel")
    with pytest.raises(ConnectionError, match="cancel"):
        await ledger.operations.cancel("b1", "ana")
    assert await holds(ledger) == []


async def test_a_cancel_lifts_the_hold_that_one_before_it_left(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(ledger, new_job("a"), new_job("b"))
    with monkeypatch.context() as broken:
        breaking(ledger, broken, "cancel", "release")
        with pytest.raises(ConnectionError):
            await ledger.operations.cancel("b1", "ana")
    assert await holds(ledger) == ["batch:b1"]

    assert await ledger.operations.cancel("b1", "ben") == 2
    status = await ledger.queries.status("b1")
    assert (status.states[State.CANCELLED], status.holds) == (2, [])


async def test_a_cancel_leaves_a_persons_pause_alone(ledger: Ledger) -> None:
    await fill(ledger, new_job("a"))
    await ledger.operations.hold(scopes.of_batch("b1"), actor="ana", justification="lunch")
    assert await ledger.operations.cancel("b1", "ben") == 1
    assert await holds(ledger) == ["batch:b1"]


async def test_a_job_that_was_cancelled_and_queued_again_is_claimed_once_though_it_stands_twice_in_its_list(
    ledger: Ledger,
) -> None:
    await fill(ledger, new_job("a"), new_job("b"))
    await ledger.do(transitions.cancel("b1", 1, 1, "ana"))
    await ledger.do(transitions.redrive("b1", [1], "ana"))
    assert sorted(int(job.number) for job in await claim(ledger)) == [1, 2]
    assert (await ledger.queries.status("b1")).conserved
