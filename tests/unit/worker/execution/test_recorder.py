"""The recorder: who waits for whom."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

import worker.execution.group_commit
from provisioning.attempt import Attempt, Bounds, Evidence, Outcome
from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import Answered, Claim, Intent, Ledger
from provisioning.ledger.scripts import Call
from provisioning.lifecycle import Event
from worker.execution.recorder import Recorder

ATTEMPT = Attempt(n=1, at=0.0, seconds=0.1, outcome=Outcome.FAILED, evidence=Evidence.ANSWERED, worker="w")
JOB = Claim(number=1, token=1, key="k", credential="c", row=2, attempts=0, body=b"{}", batch="b")


class SlowLedger:
    """Takes intents at once and answers when it is let; keeps what it was asked for."""

    def __init__(self) -> None:
        self.answers_may_go = asyncio.Event()
        self.asked: list[list[str]] = []
        self.numbers: list[list[Any]] = []
        self.refuses = False

    async def was_asked(self, times: int) -> None:
        while len(self.asked) < times:  # noqa: ASYNC110 - nothing else happens meanwhile
            await asyncio.sleep(0)

    async def do_all(self, calls: Sequence[Call[Any]]) -> list[Any]:
        self.asked.append([call.script for call in calls])
        self.numbers += [
            [getattr(row, "number", 0) for row in call.rows] for call in calls if call.script == "sending"
        ]
        if self.refuses:
            raise LedgerUnavailableError("no room")
        if any(call.script == "answered" for call in calls):
            await self.answers_may_go.wait()
        return [
            call.read([b"go", b""] if call.script == "sending" else [b"in_time", b"succeeded", b""])
            for call in calls
        ]


async def test_an_intent_waits_for_no_answer_to_be_written() -> None:
    ledger = SlowLedger()
    recorder = recorder_on(ledger)
    recorder.start()
    answer = asyncio.ensure_future(recorder.answered(JOB, answered(1)))
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
    recorder = recorder_on(ledger)
    recorder.start()
    await asyncio.sleep(0)  # both writers wait
    async with asyncio.timeout(5):
        await asyncio.gather(recorder.answered(JOB, answered(1)), recorder.sending("b", Intent(2, 1, 1, "c")))
    assert ledger.asked == [["sending"], ["answered"]]
    await recorder.stop()


async def test_no_intent_is_written_while_answers_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.execution.group_commit, "RETRY_PAUSES", (0.001, 0.001))
    ledger = SlowLedger()
    ledger.answers_may_go.set()
    ledger.refuses = True
    recorder = recorder_on(ledger)
    recorder.start()
    answer = asyncio.ensure_future(recorder.answered(JOB, answered(1)))
    async with asyncio.timeout(5):
        await ledger.was_asked(3)  # it is tried again and again
        intent = asyncio.ensure_future(recorder.sending("b", Intent(2, 1, 1, "c")))
        await ledger.was_asked(9)
        assert not intent.done()
        assert ["sending"] not in ledger.asked
        ledger.refuses = False
        assert await answer
        assert (await intent).go
    await recorder.stop()


async def test_an_intent_that_nobody_waits_for_any_more_is_not_written() -> None:
    ledger = SlowLedger()
    recorder = recorder_on(ledger)
    intent = asyncio.ensure_future(recorder.sending("b", Intent(2, 1, 1, "c")))
    await asyncio.sleep(0)
    intent.cancel()
    await asyncio.wait([intent])
    recorder.start()
    async with asyncio.timeout(5):
        assert (await recorder.sending("b", Intent(3, 1, 1, "c"))).go
    assert ledger.numbers == [[3]]
    await recorder.stop()


async def test_who_waits_for_a_write_under_way_is_told_when_the_recorder_stops() -> None:
    ledger = SlowLedger()
    recorder = recorder_on(ledger)
    recorder.start()
    answer = asyncio.ensure_future(recorder.answered(JOB, answered(1)))
    async with asyncio.timeout(5):
        await ledger.was_asked(1)
        await recorder.stop()
        await asyncio.wait([answer])
    assert answer.cancelled()


def recorder_on(ledger: SlowLedger) -> Recorder:
    return Recorder(cast(Ledger, ledger), worker="w1", lease=30.0, target="T", stop_loss=0)


def answered(number: int) -> Answered:
    return Answered(number, 1, Event.RETRY_DUE, "error_500", Bounds(0, 0), ATTEMPT)
