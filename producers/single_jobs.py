"""
Submits jobs one at a time, each recorded before the answer; simultaneous ones share one call.

A thousand requests of an owner at once then need two calls to Redis, not two thousand.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from producers.batch_name import new_batch_id
from producers.submit import CHUNK, note_acceptance
from provisioning import scopes
from provisioning.job import Accepted, NewJob, Verdict, split_job_id
from provisioning.ledger import Ledger, transitions
from provisioning.observability.log_events import JOB_SUBMITTED
from provisioning.observability.logs import log_event
from provisioning.observability.tracing import span, trace_id
from provisioning.owner import DEFAULT

BATCH = "single"
"""
Name of the batch for all single jobs of an owner and a day; it is urgent, and is sent before every file. With
the next day's first job it is renamed `single-2026-11-26`, so that it settles and its retention begins.
"""


def today(now: float | None = None) -> str:
    """The UTC day for which a batch has the name `BATCH`; `now` in Unix seconds."""
    return time.strftime("%Y-%m-%d", time.gmtime(now))


@dataclass(slots=True)
class _Waiting:
    job: NewJob
    actor: str
    justification: str
    leave_ended: bool
    owner: str
    verdict: asyncio.Future[Accepted]


class SingleJobs:
    """Submits jobs that arrive one at a time."""

    def __init__(self, ledger: Ledger, notify: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._notify = notify
        self._waiting: list[_Waiting] = []
        self._recording: asyncio.Task[None] | None = None

    async def hand_over(
        self,
        job: NewJob,
        actor: str,
        *,
        owner: str = DEFAULT,
        justification: str = "",
        leave_ended: bool = False,
    ) -> Accepted:
        """
        Records a job. When this returns, it is in the ledger.

        Args:
            owner: whose job it is.
            justification: reason to accept a second widget if the job had ended; empty if not accepted.
            leave_ended: whether a dead or cancelled job remains as it is.
        Raises: LedgerUnavailableError; the job may or may not be recorded, and may be submitted again.
        """
        verdict: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        with span("submit", "producer") as traced:
            if traced.traceparent:
                job = msgspec.structs.replace(job, trace=traced.traceparent)
            self._waiting.append(_Waiting(job, actor, justification, leave_ended, owner, verdict))
            if self._recording is None or self._recording.done():
                self._recording = asyncio.create_task(self._record())
            word = await verdict
            traced.add(job_id=word.job_id, by=actor)
        log_event(JOB_SUBMITTED, job_id=word.job_id, by=actor, trace_id=trace_id(traced.traceparent))
        return word

    async def _record(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:CHUNK], self._waiting[CHUNK:]
            by_owner: dict[str, list[_Waiting]] = {}
            for each in group:
                by_owner.setdefault(each.owner, []).append(each)
            for owner, some in by_owner.items():
                try:
                    await self._record_group(owner, some)
                except Exception as error:  # noqa: BLE001 - the callers that wait get it
                    for each in some:
                        if not each.verdict.done():
                            each.verdict.set_exception(error)

    async def _record_group(self, owner: str, group: list[_Waiting]) -> None:
        call = transitions.open_batch(new_batch_id(), BATCH, {"urgent": "1"}, period=today(), owner=owner)
        batch, is_new = await self._ledger.do(call)
        by_caller: dict[tuple[str, str, bool], list[_Waiting]] = {}
        for each in group:
            by_caller.setdefault((each.actor, each.justification, each.leave_ended), []).append(each)
        calls = [
            transitions.accept(
                batch,
                [each.job for each in some],
                actor,
                justification=justification,
                leave_ended=leave_ended,
                owner=owner,
            )
            for (actor, justification, leave_ended), some in by_caller.items()
        ]
        moved: set[str] = set()
        new = False
        for some, accepted in zip(by_caller.values(), await self._ledger.do_all(calls), strict=True):
            for each, word in zip(some, accepted, strict=True):
                new = new or word.verdict is Verdict.NEW
                if each.justification and word.verdict is Verdict.REDRIVEN:
                    on = scopes.of_job(word.job_id)
                    await note_acceptance(self._ledger, on, each.actor, each.justification, 1)
                if word.verdict in (Verdict.NEW, Verdict.REDRIVEN):
                    moved.add(split_job_id(word.job_id)[0])
                if not each.verdict.done():
                    each.verdict.set_result(word)
        if is_new and not new:
            await self._ledger.do(transitions.discard_batch(batch))
        for home in moved:
            self._notify(home)
