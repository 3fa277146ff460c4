"""What the worker has written of its jobs: intents, answers and deferrals; each caller waits for its own."""

from __future__ import annotations

import asyncio
from functools import partial

from provisioning.ledger import Answered, Deferral, Grant, Intent, Ledger, Recorded, transitions
from provisioning.log_events import ANSWER_UNRECORDED
from provisioning.logs import say
from worker.group_commit import GroupCommit


class Recorder:
    """
    Writes many jobs at a time.

    An intent waits for no answer to be written: its job holds a slot, and nothing is on the wire in it yet.
    So intents have a writer of their own, and of what becomes ready in the same instant they go first. But
    none is written while answers cannot be: what is answered in memory alone must not become more than what
    was in flight. What is said of one job keeps its order, since each waits for what was said of it before.

    Args:
        lease: seconds that an intent renews the job's lease by.
        target: base address of the API; an intent is refused while its brake is on.
        stop_loss: first jobs of a batch dead of one cause that hold it back; 0 for never.
    """

    def __init__(self, ledger: Ledger, *, lease: float, target: str, stop_loss: int) -> None:
        self._others = GroupCommit(ledger, yields=True)
        self._intents = GroupCommit(ledger, after=self._others)
        self._sending = partial(transitions.sending, lease=lease, target=target)
        self._answered = partial(transitions.answered, stop_loss=stop_loss)

    def start(self) -> None:
        """Begins to write; call it on the loop that will use it."""
        self._intents.start()
        self._others.start()

    async def stop(self) -> None:
        """Ends both. Who waits for a write, or asks for one now, is cancelled: leases tell the rest."""
        await asyncio.gather(self._intents.stop(), self._others.stop())

    async def sending(self, batch: str, intent: Intent) -> Grant:
        """Records the intent to POST; only on its grant may a byte leave."""
        grant: Grant = await self._intents.say(self._sending, batch, intent)
        return grant

    async def answered(self, batch: str, answer: Answered) -> Recorded:
        """Records what came of a POST. Returns: what became of the job by it."""
        recorded: Recorded = await self._others.say(self._answered, batch, answer)
        if not recorded.taken:
            say(
                ANSWER_UNRECORDED,
                job_id=f"{batch}.{answer.number}",
                batch_id=batch,
                attempt=answer.attempt.n,
                outcome=answer.attempt.outcome,
            )
        return recorded

    async def deferred(self, batch: str, deferral: Deferral) -> Recorded:
        """Hands a claimed job back. Returns: what became of it by that."""
        recorded: Recorded = await self._others.say(transitions.deferred, batch, deferral)
        return recorded
