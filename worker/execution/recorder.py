"""Records intents, answers and deferrals of a worker's jobs; each caller waits for its own record."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import partial

from provisioning.attempt import Evidence
from provisioning.ledger import (
    Answered,
    Claim,
    Deferral,
    Grant,
    Intent,
    Ledger,
    Recorded,
    Restoration,
    transitions,
)
from provisioning.lifecycle import Event
from provisioning.observability.log_events import ANSWER_UNRECORDED, JOB_LOST
from provisioning.observability.logs import log_event
from worker.execution.answers_to_restore import AnswersToRestore
from worker.execution.group_commit import GroupCommit


class Recorder:
    """
    Writes many jobs at a time.

    An intent does not wait for answers to be written: its job occupies a slot in which nothing is sent yet.
    So intents have their own writer, and are written before answers that become ready at the same time. But
    no intent is written while answers cannot be: the answers in memory must not exceed the POSTs that were in
    flight. The records of one job keep their order, since each waits for the one before.

    Attributes:
        to_restore: the recent answers, for a Redis that has lost them.

    Args:
        worker: its name.
        lease: seconds by which an intent renews the job's lease.
        target: base address of the API; an intent is refused while its brake is on.
        stop_loss: so many first jobs of a batch, dead of one cause, hold the batch; 0 for never.
    """

    def __init__(self, ledger: Ledger, *, worker: str, lease: float, target: str, stop_loss: int) -> None:
        self.to_restore = AnswersToRestore()
        self._answers_may_go = asyncio.Event()  # unset while earlier records are repeated
        self._answers_may_go.set()
        self._others = GroupCommit(ledger, yields=True)
        self._intents = GroupCommit(ledger, after=self._others)
        self._sending = partial(transitions.sending, lease=lease, target=target)
        self._answered = partial(transitions.answered, stop_loss=stop_loss)
        self._restore_call = partial(transitions.restore, worker=worker, lease=lease)

    def start(self) -> None:
        """Starts to write; call it on the loop that will use it."""
        self._intents.start()
        self._others.start()

    async def stop(self) -> None:
        """Ends both writers. Callers that wait for a write are cancelled: leases cover the rest."""
        await asyncio.gather(self._intents.stop(), self._others.stop())

    async def sending(self, batch: str, intent: Intent) -> Grant:
        """Records the intent to POST; only if it is granted may a byte be sent."""
        grant: Grant = await self._intents.write(self._sending, batch, intent)
        return grant

    async def answered(self, job: Claim, answer: Answered) -> Recorded:
        """Records the result of a POST. Returns: the new state of the job."""
        await self._answers_may_go.wait()
        recorded = await self._write_answer(job, answer)
        if not recorded.taken and self.to_restore.on and answer.attempt.evidence is not Evidence.NOTHING_SENT:
            # This Redis may have lost the job, or the POST.
            await self._restore_job(job, answer.attempt.n)
            recorded = await self._write_answer(job, answer)
        self.to_restore.add(job, answer)
        if not recorded.taken:
            log_event(
                ANSWER_UNRECORDED,
                job_id=job.job_id,
                batch_id=job.batch,
                attempt=answer.attempt.n,
                outcome=answer.attempt.outcome,
            )
        return recorded

    async def deferred(self, batch: str, deferral: Deferral) -> Recorded:
        """Returns a claimed job to the queue. Returns: its new state."""
        recorded: Recorded = await self._others.write(transitions.deferred, batch, deferral)
        return recorded

    async def restore(self, held: Sequence[tuple[Claim, int]]) -> Counter[Restoration]:
        """
        Repeats the recent records, and the claims of this worker, to a Redis that may have lost writes.

        Args:
            held: jobs with the number of the attempt in progress, or 0.
        Returns: how many of them Redis still had.
        """
        words: Counter[Restoration] = Counter()
        troubles: list[BaseException] = []
        self._answers_may_go.clear()
        try:
            for answers in self.to_restore.take():
                replies = (self._repeat_answer(job, answer) for job, answer in answers)
                _sort(await asyncio.gather(*replies, return_exceptions=True), words, troubles)
            held_replies = (self._restore_job(job, attempt) for job, attempt in held)
            _sort(await asyncio.gather(*held_replies, return_exceptions=True), words, troubles)
        finally:
            self._answers_may_go.set()
        if troubles:  # one job that fails must not block the others
            raise troubles[0]
        return words

    async def _repeat_answer(self, job: Claim, answer: Answered) -> Restoration:
        """Repeats a recorded answer; only after its POST, which creates its job again."""
        # A refused intent, or one of which nothing was sent, is withdrawn: no POST of it was in flight.
        word = await self._restore_job(job, 0 if answer.event is Event.REFUSED else answer.attempt.n)
        await self._write_answer(job, answer)
        self.to_restore.add(job, answer)  # this Redis may lose it too
        return word

    async def _restore_job(self, job: Claim, attempt: int) -> Restoration:
        word: Restoration = await self._others.write(self._restore_call, job.batch, (job, attempt))
        if word is Restoration.OTHER:
            log_event(JOB_LOST, job_id=job.job_id, batch_id=job.batch, attempt=attempt, row=job.row)
        return word

    async def _write_answer(self, job: Claim, answer: Answered) -> Recorded:
        recorded: Recorded = await self._others.write(self._answered, job.batch, answer)
        return recorded


def _sort(
    replies: Sequence[Restoration | BaseException],
    words: Counter[Restoration],
    troubles: list[BaseException],
) -> None:
    for each in replies:
        if isinstance(each, BaseException):
            troubles.append(each)
        else:
            words[each] += 1
