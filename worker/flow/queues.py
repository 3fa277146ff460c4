"""The queues of all credentials of a worker."""

from __future__ import annotations

from collections.abc import Callable

from provisioning.ledger import Ledger, transitions
from provisioning.pace import Rate, Tokens
from worker.flow.credential_queue import ConcurrencySlots, CredentialQueue


class CredentialQueues(dict[str, CredentialQueue]):
    """
    Queues by credential; each is created when it is first read by its key.

    Args:
        rate: the pace of a credential until Redis has another.
        on_room: called when a queue has become short enough to claim more jobs.

    Attributes:
        usual_room: jobs worth claiming of a credential that has no queue yet.
    """

    def __init__(
        self, ledger: Ledger, slots: ConcurrencySlots, *, rate: Rate, on_room: Callable[[], None]
    ) -> None:
        super().__init__()
        self._ledger = ledger
        self._slots = slots
        self._rate = rate
        self._on_room = on_room
        self.usual_room = CredentialQueue.room_for(rate.per_second, slots.free)

    def __missing__(self, credential: str) -> CredentialQueue:
        async def take(want: int) -> Tokens:
            return await self._ledger.do(transitions.take(credential, self._rate, want))

        queue = CredentialQueue(self._slots, take, rate=self._rate, on_room=self._on_room)
        self[credential] = queue
        return queue
