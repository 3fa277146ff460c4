"""
Credential queues and concurrency slots: whose turn it is to POST.

The jobs of one credential wait in one queue; it moves as its pace allows. All queues of a worker share its
slots, a slot being one POST in flight. A job that waits out a backoff is in no queue and holds no slot.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable

from provisioning.pace import Rate, Tokens
from worker.flow.fair_queue import FairQueue
from worker.flow.limit import ConcurrencyLimit
from worker.flow.pacer import Pacer
from worker.flow.refusals import Refusals

AHEAD_OF_SLOTS = 100
"""Jobs claimed beyond the free slots where there is no pace, so that a slot that frees is taken at once."""

IDLE = 1.0
"""Seconds without a POST in flight after which the limit begins anew: it tells little of what is now."""


class ConcurrencySlots:
    """
    POSTs that one worker may have in flight: as many as `limit` says the API can stand.

    Attributes:
        taken: POSTs in flight.
        closed: only probes are let go, whatever is free.
    """

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self.limit = limit
        self.taken = 0
        self._idle_since = time.monotonic()
        self.closed = False
        self._queues: list[CredentialQueue] = []
        self._first = 0

    @property
    def free(self) -> int:
        """Slots that nobody holds and anybody may have."""
        return 0 if self.closed else max(0, self.limit.whole - self.taken)

    def join(self, queue: CredentialQueue) -> None:
        """Has a queue served from these slots."""
        self._queues.append(queue)

    def hold_off(self, seconds: float) -> None:
        """Lets nobody go for a while."""
        for queue in self._queues:
            queue.hold_off(seconds)

    def take(self, *, probe: bool) -> bool:
        """
        Takes a slot if one is free. A probe has one always: those of an API that hangs are never given back.
        """
        if not self.taken and time.monotonic() - self._idle_since > IDLE:
            self.limit.begin_anew()
        if not probe and not self.free:
            return False
        self.taken += 1
        return True

    def give_back(self) -> None:
        """Frees a slot and lets the queues move."""
        self.taken -= 1
        if not self.taken:
            self._idle_since = time.monotonic()
        self.move()

    def move(self) -> None:
        """Lets the queues move, a different one first each time."""
        self._first = (self._first + 1) % max(1, len(self._queues))
        for queue in self._queues[self._first :] + self._queues[: self._first]:
            if queue.backlog:
                queue.move()


class CredentialQueue:
    """
    One credential's jobs waiting for their turn.

    Batches take turns, so that ten jobs behind a hundred thousand wait for ten.

    Args:
        reserve: reserves sending times in Redis (`transitions.take`).
        rate: the pace until Redis has another.
        on_room: called when the queue has become short enough to take up more jobs.

    Attributes:
        refusals: counts what the API refuses of this credential.
        relearning: no POST starts until the ledger has recorded what a burst of 429s has taught.
    """

    def __init__(
        self,
        slots: ConcurrencySlots,
        reserve: Callable[[int], Awaitable[Tokens]],
        *,
        rate: Rate,
        on_room: Callable[[], None],
    ) -> None:
        self.relearning = False
        self._slots = slots
        self._pacer = Pacer(lambda: reserve(max(1, self.backlog)), rate=rate, on_fetched=self.move)
        self._on_room = on_room
        self._loop = asyncio.get_running_loop()
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()
        self._probes: deque[asyncio.Future[None]] = deque()
        self.refusals = Refusals(self._loop.time())
        self._not_before = 0.0
        self._timer: asyncio.TimerHandle | None = None
        slots.join(self)

    @property
    def learned(self) -> bool:
        """Whether the pace is one that 429s have taught."""
        return self._pacer.learned

    @learned.setter
    def learned(self, learned: bool) -> None:
        self._pacer.learned = learned

    @property
    def backlog(self) -> int:
        """Jobs in the queue."""
        return len(self._waiting) + len(self._probes)

    @property
    def room(self) -> int:
        """Jobs worth claiming now."""
        return max(0, self.room_for(self._pacer.per_second, self._slots.free) - self.backlog)

    @property
    def urgent_room(self) -> int:
        """Jobs of an urgent batch worth claiming now: other batches do not stand in their way."""
        return max(0, self.room_for(self._pacer.per_second, self._slots.free) - self._waiting.urgent)

    @staticmethod
    def room_for(per_second: float | None, free_slots: int) -> int:
        """
        Jobs worth holding in a queue: what its pace lets go within a second, or `AHEAD_OF_SLOTS` unpaced.

        More would only be kept from other workers and from batches that come later.
        """
        if per_second is None:
            return free_slots + AHEAD_OF_SLOTS
        return math.ceil(per_second) + 1

    def hold_off(self, seconds: float) -> None:
        """Lets nobody go for a while, as the API has asked of this credential."""
        self._not_before = max(self._not_before, self._loop.time() + seconds)

    def pace_anew(self) -> None:
        """Asks the ledger for the pace before anybody else is let go: it is another one now."""
        self._pacer.begin_anew()
        self.move()

    async def turn(self, batch: str, *, urgent: bool, probe: bool = False) -> None:
        """
        Waits for a slot and, if there is a pace, for a token. `leave` must follow.

        Args:
            batch: batches take turns.
            urgent: before all batches that are not.
            probe: before all others, and also while the slots are closed.
        """
        if not self.backlog and self._admit(probe=probe):
            return
        ticket: asyncio.Future[None] = self._loop.create_future()
        if probe:
            self._probes.append(ticket)
        else:
            self._waiting.add(batch, ticket, urgent=urgent)
        self.move()
        try:
            await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled():
                self.leave()  # it was our turn in the very moment of being called off
            raise

    def leave(self) -> None:
        """Gives the slot back."""
        self._slots.give_back()
        if self.backlog * 2 <= AHEAD_OF_SLOTS and (self._pacer.per_second is None or not self._waiting):
            self._on_room()

    def move(self) -> None:
        """Lets as many go as slots and tokens allow."""
        while self.backlog:
            ticket = self._probes[0] if self._probes else self._waiting.first()
            if not ticket.done() and not self._admit(probe=bool(self._probes)):
                return
            if self._probes:
                self._probes.popleft()
            else:
                self._waiting.take()
            if not ticket.done():
                ticket.set_result(None)

    def _admit(self, *, probe: bool) -> bool:
        if self.relearning or not (probe or self._slots.free):
            return False
        now = self._loop.time()
        if now < self._not_before:
            self._move_at(self._not_before)
            return False
        if self._pacer.take(now):
            return self._slots.take(probe=probe)
        self._await_token()
        return False

    def _await_token(self) -> None:
        when = self._pacer.next_at
        if when is not None:
            self._move_at(when)
        else:
            self._pacer.fetch()

    def _move_at(self, when: float) -> None:
        if self._timer is None:
            self._timer = self._loop.call_at(when, self._timer_expired)

    def _timer_expired(self) -> None:
        self._timer = None
        self.move()
