"""What the worker has written of its jobs: intents, answers and deferrals; each caller waits for its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import partial

from provisioning.attempt import Evidence
from provisioning.ledger import (
    Affirmation,
    Answered,
    Claim,
    Deferral,
    Grant,
    Intent,
    Ledger,
    Recorded,
    transitions,
)
from provisioning.lifecycle import Event
from provisioning.observability.log_events import ANSWER_UNRECORDED, JOB_LOST
from provisioning.observability.logs import log_event
from worker.execution.group_commit import GroupCommit
from worker.execution.journal import Journal


class Recorder:
    """
    Writes many jobs at a time.

    An intent waits for no answer to be written: its job holds a slot, and nothing is on the wire in it yet.
    So intents have a writer of their own, and of what becomes ready in the same instant they go first. But
    none is written while answers cannot be: what is answered in memory alone must not become more than what
    was in flight. What is said of one job keeps its order, since each waits for what was said of it before.

    Attributes:
        journal: what was recorded lately.

    Args:
        worker: its name.
        lease: seconds that an intent renews the job's lease by.
        target: base address of the API; an intent is refused while its brake is on.
        stop_loss: first jobs of a batch dead of one cause that hold it back; 0 for never.
    """

    def __init__(self, ledger: Ledger, *, worker: str, lease: float, target: str, stop_loss: int) -> None:
        self.journal = Journal()
        self._answers_may_go = asyncio.Event()  # unset while what lies before them is told
        self._answers_may_go.set()
        self._others = GroupCommit(ledger, yields=True)
        self._intents = GroupCommit(ledger, after=self._others)
        self._sending = partial(transitions.sending, lease=lease, target=target)
        self._answered = partial(transitions.answered, stop_loss=stop_loss)
        self._affirm = partial(transitions.affirm, worker=worker, lease=lease)

    def start(self) -> None:
        """Begins to write; call it on the loop that will use it."""
        self._intents.start()
        self._others.start()

    async def stop(self) -> None:
        """Ends both. Who waits for a write, or asks for one now, is cancelled: leases tell the rest."""
        await asyncio.gather(self._intents.stop(), self._others.stop())

    async def sending(self, batch: str, intent: Intent) -> Grant:
        """Records the intent to POST; only on its grant may a byte leave."""
        grant: Grant = await self._intents.write(self._sending, batch, intent)
        return grant

    async def answered(self, job: Claim, answer: Answered) -> Recorded:
        """Records what came of a POST. Returns: what became of the job by it."""
        await self._answers_may_go.wait()
        recorded = await self._write_answer(job, answer)
        if not recorded.taken and self.journal.on and answer.attempt.evidence is not Evidence.NOTHING_SENT:
            # This Redis may have lost the job, or the POST.
            await self._affirmed(job, answer.attempt.n)
            recorded = await self._write_answer(job, answer)
        self.journal.add(job, answer)
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
        """Hands a claimed job back. Returns: what became of it by that."""
        recorded: Recorded = await self._others.write(transitions.deferred, batch, deferral)
        return recorded

    async def affirm(self, held: Sequence[tuple[Claim, int]]) -> Counter[Affirmation]:
        """
        Tells a Redis that may have lost its last writes what was recorded lately, and what this worker holds.

        Args:
            held: jobs with the number of the attempt that is under way, or 0.
        Returns: how much of it was known.
        """
        words: Counter[Affirmation] = Counter()
        troubles: list[BaseException] = []
        self._answers_may_go.clear()
        try:
            for answers in self.journal.take():
                replies = (self._answer(job, answer) for job, answer in answers)
                _sort(await asyncio.gather(*replies, return_exceptions=True), words, troubles)
            held_replies = (self._affirmed(job, attempt) for job, attempt in held)
            _sort(await asyncio.gather(*held_replies, return_exceptions=True), words, troubles)
        finally:
            self._answers_may_go.set()
        if troubles:  # one job that cannot be told of must not keep the others from being
            raise troubles[0]
        return words

    async def _answer(self, job: Claim, answer: Answered) -> Affirmation:
        """Tells of an answer that was recorded; only behind its POST, which makes its job anew."""
        # One that was refused, or of which nothing was sent, is given back: it was of no POST under way.
        word = await self._affirmed(job, 0 if answer.event is Event.REFUSED else answer.attempt.n)
        await self._write_answer(job, answer)
        self.journal.add(job, answer)  # this Redis may lose it in its turn
        return word

    async def _affirmed(self, job: Claim, attempt: int) -> Affirmation:
        word: Affirmation = await self._others.write(self._affirm, job.batch, (job, attempt))
        if word is Affirmation.OTHER:
            log_event(JOB_LOST, job_id=job.job_id, batch_id=job.batch, attempt=attempt, row=job.row)
        return word

    async def _write_answer(self, job: Claim, answer: Answered) -> Recorded:
        recorded: Recorded = await self._others.write(self._answered, job.batch, answer)
        return recorded


def _sort(
    replies: Sequence[Affirmation | BaseException],
    words: Counter[Affirmation],
    troubles: list[BaseException],
) -> None:
    for each in replies:
        if isinstance(each, BaseException):
            troubles.append(each)
        else:
            words[each] += 1
