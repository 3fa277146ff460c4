"""The recorder: who waits for whom."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from provisioning.attempt import Attempt, Bounds, Evidence, Outcome
from provisioning.ledger import Answered, Intent, Ledger
from provisioning.ledger.scripts import Call
from provisioning.lifecycle import Event
from worker.recorder import Recorder

ATTEMPT = Attempt(n=1, at=0.0, seconds=0.1, outcome=Outcome.FAILED, evidence=Evidence.ANSWERED, worker="w")


class SlowLedger:
    """Takes intents at once and answers when it is let; keeps what it was asked for."""

    def __init__(self) -> None:
        self.answers_may_go = asyncio.Event()
        self.asked: list[list[str]] = []

    async def do_all(self, calls: Sequence[Call[Any]]) -> list[Any]:
        self.asked.append([call.script for call in calls])
        if any(call.script == "answered" for call in calls):
            await self.answers_may_go.wait()
        return [call.read([1]) for call in calls]


async def test_an_intent_waits_for_no_answer_to_be_written() -> None:
    ledger = SlowLedger()
    recorder = Recorder(cast(Ledger, ledger), lease=30.0, target="T", stop_loss=0)
    recorder.start()
    answer = asyncio.ensure_future(recorder.answered("b", answered(1)))
    async with asyncio.timeout(5):
        grant = await recorder.sending("b", Intent(2, 1, 1, "c"))
        assert grant.go
        assert not answer.done()
        ledger.answers_may_go.set()
        assert await answer
    await recorder.stop()


async def test_of_what_is_ready_at_once_the_intents_leave_first() -> None:
    ledger = SlowLedger()
    ledger.answers_may_go.set()
    recorder = Recorder(cast(Ledger, ledger), lease=30.0, target="T", stop_loss=0)
    recorder.start()
    await asyncio.sleep(0)  # both writers wait
    async with asyncio.timeout(5):
        await asyncio.gather(recorder.answered("b", answered(1)), recorder.sending("b", Intent(2, 1, 1, "c")))
    assert ledger.asked == [["sending"], ["answered"]]
    await recorder.stop()


def answered(number: int) -> Answered:
    return Answered(number, 1, Event.RETRY_DUE, "error_500", Bounds(0, 0), ATTEMPT)
