"""
The feed: which batches have jobs left for this worker, and the claims that bring them.

A notification only saves time. Jobs for which there was no room are claimed as room appears, batch after
batch in turn.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import Claims, Ledger, transitions
from provisioning.observability import log_events
from provisioning.observability.logs import log_event
from worker.dispatch.periodic import TICK, BackgroundTasks
from worker.dispatch.pool import ExecutorPool
from worker.execution.executor import WorkerContext
from worker.execution.flow_control import FlowControl
from worker.flow.credential_queue import CredentialQueue

SLICE = 100
"""Jobs that one claim takes at most: about a millisecond of Redis' time, a tenth of a second of POSTs."""


@dataclass(slots=True)
class BatchWork:
    """
    What this worker knows of a batch that it claims from.

    Attributes:
        credentials: of its jobs, as far as seen.
        draining: a claim is under way.
        notified_at: monotonic time at which other workers were last notified of it.
        timer: drains it when the first of its waiting jobs comes due; None if none is set.
    """

    credentials: set[str] = field(default_factory=set)
    draining: bool = False
    notified_at: float = 0.0
    timer: asyncio.TimerHandle | None = None

    def is_idle(self, now: float) -> bool:
        """Whether nothing is known of it."""
        recent = now - self.notified_at < TICK
        return not (self.credentials or self.draining or self.timer or recent)


class Backlog:
    """
    Batches that have more jobs than this worker had room for, in turn; and what is known of each batch.

    Pure: how much room the queues have goes in; what to claim comes out.
    """

    def __init__(self) -> None:
        self._batches: dict[str, BatchWork] = {}
        self._in_turn: dict[str, None] = {}  # dicts keep insertion order: the first is next

    def __len__(self) -> int:
        return len(self._in_turn)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._in_turn))

    @property
    def draining(self) -> bool:
        """Whether a claim is under way."""
        return any(work.draining for work in self._batches.values())

    def of(self, batch: str) -> BatchWork:
        """What is known of a batch."""
        work = self._batches.get(batch)
        if work is None:
            work = self._batches[batch] = BatchWork()
        return work

    def add(self, batch: str) -> None:
        """A batch has jobs left: it is added at the end, or keeps its position."""
        self.of(batch)
        self._in_turn[batch] = None

    def move_back(self, batch: str) -> None:
        """A batch is served now: it moves to the end."""
        self._in_turn.pop(batch, None)
        self.add(batch)

    def remove(self, batch: str) -> None:
        """A batch has no job left that could be claimed now."""
        self._in_turn.pop(batch, None)
        if work := self._batches.get(batch):
            work.credentials.clear()

    def keep_only(self, active: Collection[str], now: float) -> None:
        """Removes batches that are not active any more, and those of which nothing is known."""
        for batch, work in list(self._batches.items()):
            if batch not in active:
                self.remove(batch)
            if batch not in self._in_turn and work.is_idle(now):
                del self._batches[batch]

    def has_room(self, batch: str, queues: Mapping[str, CredentialQueue]) -> bool:
        """Whether a queue that jobs of this batch were seen in has room."""
        # It had no room yet, or was removed meanwhile: then any queue may be one of its own.
        seen = self.of(batch).credentials or queues
        return any(queues[name].room for name in seen if name in queues)

    def rooms(self, batch: str, queues: Mapping[str, CredentialQueue]) -> dict[str, tuple[int, int]]:
        """
        Jobs to claim of each credential that has a queue here, and how many if the batch is urgent.

        Batches that want the same queue share its room; each has at least one place in a queue that moves.
        """
        others = [self._batches[each].credentials for each in self._in_turn if each != batch]
        rooms = {}
        for name, queue in queues.items():
            sharers = 1 + sum(not seen or name in seen for seen in others)
            rooms[name] = (-(-queue.room // sharers), queue.urgent_room)
        return rooms


class Feed:
    """
    Claims jobs for the pool.

    Args:
        notify: notifies other workers of a batch that has more jobs than this one claims. May block; called
            off the loop.
        make_sure: checks the ledger before it is used for the first time.
        room: set when a queue, or the pool, has room again.
    """

    def __init__(
        self,
        ledger: Ledger,
        worker: WorkerContext,
        pool: ExecutorPool,
        flow: FlowControl,
        *,
        background: BackgroundTasks,
        notify: Callable[[str], None],
        make_sure: Callable[[], Coroutine[Any, Any, None]],
        room: asyncio.Event,
    ) -> None:
        self.backlog = Backlog()
        self._ledger = ledger
        self._claim_of = partial(
            transitions.claim, worker=worker.name, lease=worker.lease, target=worker.target
        )
        self._stopping = worker.stopping
        self._pool = pool
        self._flow = flow
        self._background = background
        self._notify = notify
        self._make_sure = make_sure
        self._room = room

    async def step(self) -> None:
        """Waits for room, and claims for the batches in the backlog."""
        await self._room.wait()
        self._room.clear()
        for batch in self.backlog:
            if not self.backlog.has_room(batch, self._flow.queues):
                continue
            # Before the claim, so that another batch is served first next time.
            self.backlog.move_back(batch)
            try:
                await self.drain(batch)
            except LedgerUnavailableError as error:
                log_event(log_events.LEDGER_LOST, doing="feed", error=error)
                break
            except Exception as error:  # noqa: BLE001 - one batch must not keep the others from being fed
                log_event(log_events.PERIODIC_TASK_FAILED, doing="feed", exception=error)

    async def drain(self, batch: str) -> int:
        """
        Claims what this worker has room for of a batch and starts to execute it.

        Returns: how many jobs were claimed. What is left is claimed as room appears.
        """
        work = self.backlog.of(batch)
        if work.draining or self._stopping.is_set():
            return 0
        work.draining = True
        try:
            return await self._claim(batch, work)
        finally:
            work.draining = False

    async def end_claims(self, seconds: float) -> None:
        """Waits for claims in progress: their jobs must be returned, not left until their leases expire."""
        deadline = time.monotonic() + seconds
        while True:
            # At least once: a job that is cancelled before its first step could not return itself.
            await asyncio.sleep(0.01)
            if not self.backlog.draining or time.monotonic() > deadline:
                return

    async def send_probes(self, batches: Sequence[str], count: int) -> int:
        """
        Sends up to `count` rows that were never sent, from any position in any batch, while all others wait.

        If there are such rows, one that was sent before is added: an API that fails on each row at first, and
        succeeds later, would never be found to work otherwise.

        Returns: how many were sent; 0 if none is left that was never sent.
        """
        found = await self._claim_probes(batches, count, fresh=True)
        return found and found + await self._claim_probes(batches, 1, fresh=False)

    async def _claim_probes(self, batches: Sequence[str], count: int, *, fresh: bool) -> int:
        found = 0
        for batch in batches:
            if found == count or self._stopping.is_set():
                break
            draw = random.randrange(1 << 30) if fresh else transitions.SENT_BEFORE  # noqa: S311 - no secret
            claims = await self._ledger.do(self._claim_of(batch, most=count - found, rooms={}, draw=draw))
            self._take_up(batch, self.backlog.of(batch), claims, probe=True)
            found += len(claims.jobs)
        return found

    async def _claim(self, batch: str, work: BatchWork) -> int:
        await self._make_sure()
        flow, queues, claimed = self._flow, self._flow.queues, 0
        while not self._stopping.is_set():
            most = min(SLICE, self._pool.room)
            if most <= 0 or flow.slots.closed:  # closed: only probes are claimed
                self.backlog.add(batch)
                break
            rooms = self.backlog.rooms(batch, queues)
            call = self._claim_of(batch, most=most, rooms=rooms, usual_room=queues.usual_room)
            claims = await self._ledger.do(call)
            self._take_up(batch, work, claims)
            claimed += len(claims.jobs)
            if claims.next_due is not None:
                self._set_timer(batch, work, claims.next_due)
            if not claims.more:
                self.backlog.remove(batch)
                break
            self.backlog.add(batch)
            if len(claims.jobs) < most:
                if len(self._pool) >= flow.limit.whole:  # as much as can be on the wire
                    self._notify_others(batch, work)
                break  # the rest needs room
        return claimed

    def _take_up(self, batch: str, work: BatchWork, claims: Claims, *, probe: bool = False) -> None:
        for job in claims.jobs:
            work.credentials.add(job.credential)
            self._pool.take_up(job, probe=probe)
        self._pool.hand_back_sealed(batch, claims.sealed)

    def _notify_others(self, batch: str, work: BatchWork) -> None:
        """Notifies other workers, at intervals, of a batch that has more jobs than this one has room for."""
        now = time.monotonic()
        if now - work.notified_at >= TICK:
            work.notified_at = now
            self._background.run(self._notify_off_the_loop(batch))

    async def _notify_off_the_loop(self, batch: str) -> None:
        try:
            await asyncio.to_thread(self._notify, batch)
        except LedgerUnavailableError as error:
            log_event(log_events.NOTIFICATION_LOST, batch_id=batch, error=error)

    def _set_timer(self, batch: str, work: BatchWork, due: float) -> None:
        """Drains a batch when the first of its waiting jobs comes due."""
        delay = max(0.0, due - time.time())
        if work.timer or delay > 2 * TICK:
            return  # the next periodic check is earlier

        def drain() -> None:
            work.timer = None
            self._background.run(self.drain(batch))

        work.timer = asyncio.get_running_loop().call_later(delay, drain)
