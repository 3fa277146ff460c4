"""
Lines and slots: whose turn it is to POST.

The jobs of one credential stand in one line; it moves as its pace allows. All lines of a worker share
its slots, a slot being one POST in flight. A job that waits out a backoff stands in no line and holds
no slot.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable

from provisioning.errors import LedgerUnavailableError
from provisioning.observability.log_events import CHORE_FAILED, LEDGER_LOST
from provisioning.observability.logs import log_event
from provisioning.pace import Rate, Tokens
from worker.flow.fair_queue import FairQueue
from worker.flow.limit import ConcurrencyLimit
from worker.flow.refusals import Refusals

AHEAD_OF_SLOTS = 100
"""Jobs claimed beyond the free slots where there is no pace, so that a slot that frees is taken at once."""

UNPACED_FOR = 1.0
"""Seconds that the word "no pace is set" is trusted: how long a new pace may take to be felt."""

IDLE = 1.0
"""Seconds without a POST in flight after which the limit begins anew: it tells little of what is now."""

STALE = 0.1
"""Seconds after its time that a reserved token is let go, so that a stall is not made up by a burst."""


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
        self._lines: list[CredentialQueue] = []
        self._first = 0

    @property
    def free(self) -> int:
        """Slots that nobody holds and anybody may have."""
        return 0 if self.closed else max(0, self.limit.whole - self.taken)

    def join(self, line: CredentialQueue) -> None:
        """Has a line served from these slots."""
        self._lines.append(line)

    def hold_off(self, seconds: float) -> None:
        """Lets nobody go for a while."""
        for line in self._lines:
            line.hold_off(seconds)

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
        """Frees a slot and lets the lines move."""
        self.taken -= 1
        if not self.taken:
            self._idle_since = time.monotonic()
        self.move()

    def move(self) -> None:
        """Lets the lines move, a different one first each time."""
        self._first = (self._first + 1) % max(1, len(self._lines))
        for line in self._lines[self._first :] + self._lines[: self._first]:
            if line.backlog:
                line.move()


class CredentialQueue:
    """
    One credential's jobs waiting for their turn.

    Batches take turns, so that ten jobs behind a hundred thousand wait for ten.

    Args:
        take: reserves sending times in Redis (`transitions.take`).
        rate: the pace until Redis has said another.
        on_room: called when the line has become short enough to take up more jobs.

    Attributes:
        refusals: counts what the API refuses of this credential.
        learned: the pace is one that 429s have taught.
        relearning: nobody is let go until the ledger has heard what a burst of 429s has taught.
    """

    def __init__(
        self,
        slots: ConcurrencySlots,
        take: Callable[[int], Awaitable[Tokens]],
        *,
        rate: Rate,
        on_room: Callable[[], None],
    ) -> None:
        self._slots = slots
        self._take = take
        self._on_room = on_room
        self._loop = asyncio.get_running_loop()
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()
        self._probes: deque[asyncio.Future[None]] = deque()
        self.refusals = Refusals(self._loop.time())
        self._tokens: deque[float] = deque()  # loop times at which they become good
        self._unpaced_until = 0.0
        self._not_before = 0.0
        self._per_second = rate.per_second
        self.learned = False
        self.relearning = False
        self._fetching: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        slots.join(self)

    @property
    def backlog(self) -> int:
        """Jobs in the line."""
        return len(self._waiting) + len(self._probes)

    @property
    def room(self) -> int:
        """Jobs worth claiming now."""
        return max(0, self.room_for(self._per_second, self._slots.free) - self.backlog)

    @property
    def urgent_room(self) -> int:
        """Jobs of an urgent batch worth claiming now: other batches do not stand in their way."""
        return max(0, self.room_for(self._per_second, self._slots.free) - self._waiting.urgent)

    @staticmethod
    def room_for(per_second: float | None, free_slots: int) -> int:
        """
        Jobs worth holding in a line: what its pace lets go within a second, or `AHEAD_OF_SLOTS` unpaced.

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
        self._tokens.clear()
        self._unpaced_until = 0.0
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
        if self.backlog * 2 <= AHEAD_OF_SLOTS and (self._per_second is None or not self._waiting):
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
        if now < self._unpaced_until:
            return self._slots.take(probe=probe)
        while self._tokens and self._tokens[0] < now - STALE:
            self._tokens.popleft()
        if self._tokens and self._tokens[0] <= now:
            self._tokens.popleft()
            return self._slots.take(probe=probe)
        self._await_tokens()
        return False

    def _await_tokens(self) -> None:
        if self._tokens:
            self._move_at(self._tokens[0])
        elif self._fetching is None:
            self._fetching = self._loop.create_task(self._fetch())

    def _move_at(self, when: float) -> None:
        if self._timer is None:
            self._timer = self._loop.call_at(when, self._timer_rings)

    def _timer_rings(self) -> None:
        self._timer = None
        self.move()

    async def _fetch(self) -> None:
        try:
            await self._reserve()
        except LedgerUnavailableError as error:
            log_event(LEDGER_LOST, doing="pace", delay_s=0.5, error=error)
            await asyncio.sleep(0.5)
        except Exception as error:  # noqa: BLE001 - whatever it is, the line goes on
            log_event(CHORE_FAILED, doing="pace", exception=error)
            await asyncio.sleep(1.0)
        finally:
            self._fetching = None
        self.move()

    async def _reserve(self) -> None:
        tokens = await self._take(max(1, self.backlog))
        now = self._loop.time()
        self.learned = tokens.learned
        self._per_second = 1 / tokens.interval if tokens.interval else self._per_second
        if tokens.count is None:
            self._per_second = None
            self._unpaced_until = now + UNPACED_FOR
        elif tokens.count == 0:
            await asyncio.sleep(tokens.start)
        else:
            self._tokens.extend(now + tokens.start + i * tokens.interval for i in range(tokens.count))
