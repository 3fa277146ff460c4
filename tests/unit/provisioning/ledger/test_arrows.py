"""Every event is put to a job in every state through the scripts: their arrows are those of the table."""

from __future__ import annotations

import re
from itertools import product

import pytest

from provisioning.ledger import Claim, Deferral, Ledger, transitions
from provisioning.lifecycle import TRANSITIONS, Event, State
from tests.support.ledger_fixtures import (
    LEASE,
    OUTCOME,
    Clock,
    answer,
    changed,
    claim,
    fill,
    new_job,
    say,
    send,
    snapshot,
)

BESIDES = {
    # What an event may leave behind though the state does not know it, and the job stays where it was.
    Event.CLAIMED: r"pv:active b1|pv:\{b1\}:(ready:acme|credentials)",  # entries of jobs that are not queued
    Event.CANCELLED: r"pv:\{b1\}:jobs 1 (calloff|story)",  # noted, for when its answer comes
    **dict.fromkeys(OUTCOME, r"pv:\{b1\}( least| most|:risk .*|:jobs 1 (post .*|least|most|story)|:late)"),
}
BESIDES[Event.CALLED_OFF] = BESIDES[Event.RETRY_DUE]


class Stage:
    """
    A job in a state, with an earlier POST whose answer is still to come.

    Args:
        called_off: that POST was called off while it was being sent.
    """

    def __init__(self, ledger: Ledger, clock: Clock, *, called_off: bool) -> None:
        self.ledger, self.clock, self.called_off = ledger, clock, called_off
        self.stale: Claim
        self.now: Claim

    async def bring_to(self, state: State) -> None:
        await fill(self.ledger, new_job("k"))
        await self._send()
        self.stale = self.now
        if self.called_off:
            await self.ledger.do(transitions.cancel("b1", 1, 1, "ana"))
        if state is State.SENDING:
            return
        retry = state is not State.IN_DOUBT
        await self._lapse(retry=retry)
        if retry and self.called_off:  # it was held for a person
            await self.ledger.do(transitions.resolve("b1", 1, created=False, actor="ana"))
        if state in (State.IN_DOUBT, State.QUEUED):
            return
        if state is State.CANCELLED:
            await self.ledger.do(transitions.cancel("b1", 1, 1, "ana"))
        elif state is State.CLAIMED:
            [self.now] = await claim(self.ledger)
        else:
            await self._send()
            ending = Event.CREATED if state is State.SUCCEEDED else Event.REJECTED
            assert await say(self.ledger, answer(self.now, ending)) == [True]

    async def take(self, event: Event) -> None:
        ledger, now = self.ledger, self.now
        if event is Event.CLAIMED:
            await claim(ledger)
        elif event is Event.SENDING:
            job = (await snapshot(ledger.redis))["pv:{b1}:jobs 1"]
            attempt = int(job.get("attempts", 0)) + 1
            await send(ledger, now, attempt)
        elif event is Event.DEFERRED:
            await ledger.do(transitions.deferred("b1", [Deferral(1, now.token, 0, "later")]))
        elif event is Event.LEASE_LAPSED:
            await self._lapse(retry=False)
        elif event is Event.CANCELLED:
            await ledger.do(transitions.cancel("b1", 1, 1, "ana"))
        elif event is Event.REDRIVEN:
            await ledger.do(transitions.redrive("b1", [1], "ana", justification="a second one is no harm"))
        elif event in (Event.RESOLVED_CREATED, Event.RESOLVED_ABSENT):
            created = event is Event.RESOLVED_CREATED
            await ledger.do(transitions.resolve("b1", 1, created=created, actor="ana"))
        else:
            said = Event.RETRY_DUE if event is Event.CALLED_OFF else event
            await say(ledger, answer(self.stale, said))

    async def state(self) -> State:
        return (await self.ledger.queries.job("b1.1")).state

    async def _send(self) -> None:
        [self.now] = await claim(self.ledger)
        assert await send(self.ledger, self.now)

    async def _lapse(self, *, retry: bool) -> None:
        self.clock.advance(LEASE + 1)
        await self.ledger.do(transitions.rescue("b1", on_in_doubt="retry" if retry else "hold"))


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
async def test_the_scripts_draw_the_arrows_of_the_table(
    ledger: Ledger, clock: Clock, state: State, event: Event
) -> None:
    stage = Stage(ledger, clock, called_off=event is Event.CALLED_OFF)
    await stage.bring_to(state)
    assert await stage.state() is state
    before = await snapshot(ledger.redis)
    await stage.take(event)
    moved = changed(before, await snapshot(ledger.redis))

    assert await stage.state() is TRANSITIONS.get((state, event), state)
    if (state, event) not in TRANSITIONS:
        beside = re.compile(BESIDES.get(event, "nothing"))
        assert [key for key in moved if not beside.fullmatch(key)] == []
    elif TRANSITIONS[state, event] is not state:
        assert "pv:{b1}:jobs 1 reason" in moved
    assert (await ledger.queries.status("b1")).conserved
