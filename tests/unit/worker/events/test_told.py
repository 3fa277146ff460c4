"""What a worker tells its listeners of an answer is what the ledger says, whatever has become of the job."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from provisioning.attempt import Attempt
from provisioning.ledger import Answered, Claim, Ledger, Recorded, transitions
from provisioning.lifecycle import UNSETTLED, Event, State
from tests.support.ledger_fixtures import LEASE, OUTCOME, Clock, answer, claim, fill, new_job, send
from worker.events.telemetry import Attempted, Ended, Returned, Telemetry, TelemetryEvent
from worker.execution.executor import JobExecutor

AT_ONCE = ("", "called off", "lapsed", "lapsed and called off")
"""What befalls a job between its POST and the answer, where its worker is the last that had it."""

ELSEWHERE = ("claimed by another", "sent by another", "dead by another", "created by another", "cancelled")
"""Likewise, where its lease has lapsed and it has gone on."""


class Post:
    """A POST under way, and what befalls its job before the answer is recorded."""

    def __init__(self, ledger: Ledger, clock: Clock, *, retry: bool) -> None:
        self.ledger, self.clock, self.retry = ledger, clock, retry
        self.job: Claim

    async def begin(self) -> None:
        await fill(self.ledger, new_job("k"))
        [self.job] = await claim(self.ledger)
        assert await send(self.ledger, self.job)

    async def befall(self, what: str) -> None:
        if "called off" in what:
            await self.ledger.do(transitions.cancel("b1", 1, 1, "ana"))
        if what in ELSEWHERE or "lapsed" in what:
            self.clock.advance(LEASE + 1)
            await self.ledger.do(transitions.rescue("b1", on_in_doubt="retry" if self.retry else "hold"))
        if what in ELSEWHERE:
            await self._go_on(what)

    async def _go_on(self, what: str) -> None:
        if not self.retry:
            await self.ledger.operations.resolve("b1", 1, created=False, actor="ana")
        if what == "cancelled":
            await self.ledger.do(transitions.cancel("b1", 1, 1, "ana"))
            return
        [other] = await claim(self.ledger, worker="w2")
        if what != "claimed by another":
            await send(self.ledger, other)
        ended = {"dead by another": Event.REJECTED, "created by another": Event.CREATED}.get(what)
        if ended:
            await self.ledger.do(transitions.answered("b1", [answer(other, ended, widget="w-2")]))


def told_of(job: Claim, said: Answered, recorded: Recorded) -> list[TelemetryEvent]:
    """What listeners are told of an answer by the worker that brings it."""
    told: list[TelemetryEvent] = []
    deps = SimpleNamespace(telemetry=Telemetry([told.append]))
    executor = JobExecutor(job, cast(Any, None), cast(Any, None), cast(Any, deps))
    executor._publish(said, recorded, 0.0)
    return told


@pytest.mark.parametrize(
    ("event", "what", "retry", "delay"),
    list(product(OUTCOME, (*AT_ONCE, *ELSEWHERE), (False, True), (None, 20.0))),
)
async def test_listeners_are_told_what_the_ledger_says(
    ledger: Ledger, clock: Clock, event: Event, what: str, retry: bool, delay: float | None
) -> None:
    post = Post(ledger, clock, retry=retry)
    await post.begin()
    await post.befall(what)
    before = await ledger.queries.job("b1.1")
    said = answer(post.job, event, next_delay=delay)
    if event is Event.RETRY_DUE:
        said = msgspec.structs.replace(said, delay=delay)
    clock.advance(1)
    replies = [(await ledger.do(transitions.answered("b1", [said])))[0] for _ in range(2)]
    now = await ledger.queries.job("b1.1")

    assert replies[0] == replies[1]  # said again after a lost reply, it is answered as at first
    told = told_of(post.job, said, replies[0])
    attempted = [each for each in told if isinstance(each, Attempted)]
    assert [(each.state, each.reason) for each in attempted] == [(now.state, now.reason)]
    assert [_kept(now.attempts, said.attempt.n, attempted[0].attempt.late)] == [attempted[0].attempt]
    rests = [each for each in told if isinstance(each, Ended | Returned)]
    moved = (before.state, before.at) != (now.state, now.at)
    assert moved == replies[0].moved
    if not moved or now.state is State.CLAIMED:
        assert rests == []
    elif now.state in UNSETTLED:
        assert [type(each) for each in rests] == [Returned]
        assert rests[0].reason == now.reason
    else:
        assert isinstance(rests[0], Ended)
        assert [(rests[0].state, rests[0].reason)] == [(now.state, now.reason)]
    again = attempted[0].again
    assert again == (now.state is State.CLAIMED and now.worker == "w1")
    assert replies[0].goes_on == again


def _kept(attempts: list[Attempt], n: int, late: bool) -> Attempt:
    [kept] = [each for each in attempts if each.n == n and each.late == late and each.worker == "w1"]
    return kept
