"""
The reaper: deletes data past its retention, in small steps and without a lock.

The retention of a job's data starts when the job ends, that of the batch as a whole when it settles: a batch
that keeps growing may never settle for long. Unfinished jobs and jobs in doubt are never deleted; when a
batch is deleted, the identities of jobs that have a widget, or may have one, are kept.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from provisioning.ledger import keys, refused_messages, transitions
from provisioning.ledger.numbers import last_number
from provisioning.retention import DAY_SECONDS, Kept, Retention

if TYPE_CHECKING:
    from provisioning.ledger.ledger import Ledger

STRETCH = 500
"""Jobs that one call checks: some ms of Redis' time."""

BATCHES = 20
"""Batches that one step checks; the next step continues after them."""


class Reaper:
    """Iterates over the batches, one step at a time."""

    def __init__(self, ledger: Ledger, retention: Retention) -> None:
        self._ledger = ledger
        self._redis: Any = ledger.redis
        self._retention = retention
        self._next = 0

    async def run_once(self, now: float) -> Counter[Kept]:
        """
        One step: a few batches, some jobs of each class that is due. Returns: deleted jobs by class.

        Args:
            now: Unix seconds.
        """
        gone: Counter[Kept] = Counter()
        days = self._retention.dead
        await refused_messages.forget(
            self._ledger, now - (refused_messages.DAYS if days is None else days) * DAY_SECONDS
        )
        if self._retention.for_ever:
            return gone
        batches = await self._redis.zrange(keys.BATCHES, self._next, self._next + BATCHES - 1)
        self._next = self._next + BATCHES if len(batches) == BATCHES else 0
        for batch in batches:
            for kept in await self._due(batch.decode(), now):
                count, _ = await self._reap(batch.decode(), kept, now, self._sweep(kept, now))
                gone.update({kept: count} if count else {})
        return gone

    async def purge(self, now: float) -> Counter[Kept]:
        """Deletes everything that is due now. Returns: jobs by class."""
        gone: Counter[Kept] = Counter()
        for batch in await self._redis.zrange(keys.BATCHES, 0, -1):
            for kept in await self._due(batch.decode(), now, anew=True):
                done = False
                while not done:
                    count, done = await self._reap(batch.decode(), kept, now, f"purge-{int(now * 1000)}")
                    gone.update({kept: count} if count else {})
        return gone

    async def plan(self, now: float) -> list[tuple[str, Kept, int]]:
        """What `purge` would delete: batch, class, and number of jobs. Changes nothing."""
        found = [
            (batch.decode(), kept, await self._count(batch.decode(), kept, now))
            for batch in await self._redis.zrange(keys.BATCHES, 0, -1)
            for kept in await self._due(batch.decode(), now, anew=True)
        ]
        return [(batch, kept, jobs) for batch, kept, jobs in found if jobs]

    async def _count(self, batch: str, kept: Kept, now: float) -> int:
        jobs, first, done = 0, 1, False
        while not done:
            count, done = await self._reap(batch, kept, now, "", count_from=first)
            jobs, first = jobs + count, first + STRETCH
        return jobs

    def _sweep(self, kept: Kept, now: float) -> str:
        """Name of a day's sweep: each batch is swept once a day."""
        return f"day-{int(self._cutoff(kept, now) // DAY_SECONDS)}"

    def _cutoff(self, kept: Kept, now: float) -> float:
        """Unix seconds: data of jobs that ended by then is past its retention."""
        return now - (self._retention.days(kept) or 0.0) * DAY_SECONDS

    async def _due(self, batch: str, now: float, *, anew: bool = False) -> list[Kept]:
        """
        The classes with data that may be past its retention.

        Args:
            anew: whether to include those that were swept today.
        """
        fields = ("opened_at", "settled_at", "in_doubt", *(f"reaped:{kept}" for kept in Kept))
        opened, settled, in_doubt, *reaped = await self._redis.hmget(keys.batch(batch), fields)
        if opened is None:
            return []
        end = await last_number(self._redis, batch)
        due: list[Kept] = []
        for kept, far in zip(Kept, reaped, strict=True):
            begun = opened if kept is not Kept.BATCHES else settled
            if begun is None or not self._retention.due(kept, int(begun) / 1000, now):
                continue
            if kept is Kept.BATCHES:
                if not int(in_doubt or 0):
                    due.append(kept)
                continue
            mark = (far or b"").decode()
            last = f":{end}"
            finished = settled is not None and mark == settled.decode() + last
            today = not anew and mark.startswith(self._sweep(kept, now) + last + ":")
            if not (finished or today):
                due.append(kept)
        return due

    async def _reap(
        self, batch: str, kept: Kept, now: float, sweep: str, *, count_from: int | None = None
    ) -> tuple[int, bool]:
        if kept is Kept.BATCHES:
            settled = await self._redis.hget(keys.batch(batch), "settled_at")
            if settled is None:
                return 0, True
            sweep = settled.decode()
        call = transitions.reap(
            batch, kept, sweep, STRETCH, ended_by=self._cutoff(kept, now), count_from=count_from
        )
        return await self._ledger.do(call)
