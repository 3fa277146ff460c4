"""
Credential queues and concurrency slots: which job is sent next.

The jobs of one credential wait in one queue, which is served at its pace. All queues of a worker share its
slots; a slot is one POST in flight. A job in backoff is in no queue and has no slot.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable

from provisioning.pace import Rate, Tokens
from worker.flow.concurrency_limit import ConcurrencyLimit
from worker.flow.fair_queue import FairQueue
from worker.flow.pacer import Pacer
from worker.flow.refusals import Refusals

AHEAD_OF_SLOTS = 100
"""Jobs claimed beyond the free slots if there is no pace, so that a freed slot is used at once."""

IDLE = 1.0
"""Seconds without a POST in flight after which the limit starts again: it is out of date by then."""


class ConcurrencySlots:
    """
    POSTs that one worker may have in flight, as many as `limit` allows.

    Attributes:
        taken: POSTs in flight.
        closed: only probes are sent, even if slots are free.
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
        """Free slots."""
        return 0 if self.closed else max(0, self.limit.whole - self.taken)

    def join(self, queue: CredentialQueue) -> None:
        """Adds a queue that uses these slots."""
        self._queues.append(queue)

    def hold_off(self, seconds: float) -> None:
        """Pauses all queues for a time."""
        for queue in self._queues:
            queue.hold_off(seconds)

    def take(self, *, probe: bool) -> bool:
        """
        Takes a slot if one is free. A probe always gets one: an API that hangs would occupy all slots.
        """
        if not self.taken and time.monotonic() - self._idle_since > IDLE:
            self.limit.begin_anew()
        if not probe and not self.free:
            return False
        self.taken += 1
        return True

    def give_back(self) -> None:
        """Frees a slot and serves the queues."""
        self.taken -= 1
        if not self.taken:
            self._idle_since = time.monotonic()
        self.move()

    def move(self) -> None:
        """Serves the queues, starting with a different one each time."""
        self._first = (self._first + 1) % max(1, len(self._queues))
        for queue in self._queues[self._first :] + self._queues[: self._first]:
            if queue.backlog:
                queue.move()


class CredentialQueue:
    """
    The jobs of one credential that wait for their turn.

    Batches take turns, so that ten jobs after a hundred thousand wait for ten.

    Args:
        reserve: reserves sending times in Redis (`transitions.take`).
        rate: the pace until Redis has another.
        on_room: called when the queue has become short enough to claim more jobs.

    Attributes:
        refusals: counts the refusals of this credential by the API.
        relearning: no POST starts until the ledger has recorded the rate learned from a burst of 429s.
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
        """Whether the pace was learned from 429s."""
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
        """Jobs of an urgent batch worth claiming now: waiting jobs of other batches do not count."""
        return max(0, self.room_for(self._pacer.per_second, self._slots.free) - self._waiting.urgent)

    @staticmethod
    def room_for(per_second: float | None, free_slots: int) -> int:
        """
        Jobs worth holding in a queue: as many as its pace allows in a second, or `AHEAD_OF_SLOTS` unpaced.

        More would only be withheld from other workers and from later batches.
        """
        if per_second is None:
            return free_slots + AHEAD_OF_SLOTS
        return math.ceil(per_second) + 1

    def hold_off(self, seconds: float) -> None:
        """Pauses this queue for a time, as the API has requested for this credential."""
        self._not_before = max(self._not_before, self._loop.time() + seconds)

    def pace_anew(self) -> None:
        """Reads the pace from the ledger again before the next POST: it has changed."""
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
                self.leave()  # it got its turn at the moment of its cancellation
            raise

    def leave(self) -> None:
        """Releases the slot."""
        self._slots.give_back()
        if self.backlog * 2 <= AHEAD_OF_SLOTS and (self._pacer.per_second is None or not self._waiting):
            self._on_room()

    def move(self) -> None:
        """Starts as many jobs as slots and tokens allow."""
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
