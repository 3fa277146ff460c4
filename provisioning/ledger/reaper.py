"""
The reaper: lets go of what is past its retention, a little at a time, under no lock.

Retention counts from the day the batch settled. What a batch still waits for, or what is in doubt, is never
touched; of a batch as a whole the tenants that have a widget, or may have one, stay known by their identity.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from provisioning import keys
from provisioning.ledger import refused, transitions
from provisioning.lifecycle import State
from provisioning.retention import DAY_SECONDS, Kept, Retention

if TYPE_CHECKING:
    from provisioning.ledger.ledger import Ledger

STRETCH = 500
"""Jobs that one call looks at: some ms of Redis' time."""

BATCHES = 20
"""Batches that one step looks at; the next step goes on after them."""


STATES = {
    Kept.PAYLOADS: (State.SUCCEEDED,),
    Kept.RESULTS: (State.SUCCEEDED,),
    Kept.DEAD: (State.DEAD, State.CANCELLED),
    Kept.BATCHES: tuple(State),
}
"""Of which jobs a class lets something go."""


class Reaper:
    """Goes round the batches, a step at a time."""

    def __init__(self, ledger: Ledger, retention: Retention) -> None:
        self._ledger = ledger
        self._redis: Any = ledger.redis
        self._retention = retention
        self._next = 0

    async def run_once(self, now: float) -> Counter[Kept]:
        """
        One step: a few batches, a stretch of jobs in each class that is due. Returns: jobs by class.

        Args:
            now: Unix seconds.
        """
        gone: Counter[Kept] = Counter()
        days = self._retention.dead
        await refused.forget(self._ledger, now - (refused.DAYS if days is None else days) * DAY_SECONDS)
        if self._retention.for_ever:
            return gone
        batches = await self._redis.zrange(keys.BATCHES, self._next, self._next + BATCHES - 1)
        self._next = self._next + BATCHES if len(batches) == BATCHES else 0
        for batch in batches:
            for kept in await self._due(batch.decode(), now):
                count, _ = await self._reap(batch.decode(), kept)
                gone[kept] += count
        return gone

    async def purge(self, now: float) -> Counter[Kept]:
        """Lets go of everything that is due now. Returns: jobs by class."""
        gone: Counter[Kept] = Counter()
        for batch in await self._redis.zrange(keys.BATCHES, 0, -1):
            for kept in await self._due(batch.decode(), now):
                done = False
                while not done:
                    count, done = await self._reap(batch.decode(), kept)
                    gone[kept] += count
        return gone

    async def plan(self, now: float) -> list[tuple[str, Kept, int]]:
        """What `purge` would look at: batch, class, and jobs that are in it. Changes nothing."""
        found = []
        for batch in await self._redis.zrange(keys.BATCHES, 0, -1):
            for kept in await self._due(batch.decode(), now):
                status = await self._ledger.view.status(batch.decode())
                found.append((batch.decode(), kept, sum(status.states[state] for state in STATES[kept])))
        return [(batch, kept, jobs) for batch, kept, jobs in found if jobs]

    async def _due(self, batch: str, now: float) -> list[Kept]:
        fields = ("settled_at", "accepted", "in_doubt", *(f"reaped:{kept}" for kept in Kept))
        settled, accepted, in_doubt, *reaped = await self._redis.hmget(keys.batch(batch), fields)
        if settled is None:
            return []
        done = settled + b":" + (accepted or b"0")
        return [
            kept
            for kept, far in zip(Kept, reaped, strict=True)
            if self._retention.due(kept, int(settled) / 1000, now)
            and (far != done or kept is Kept.BATCHES)
            and not (kept is Kept.BATCHES and int(in_doubt or 0))
        ]

    async def _reap(self, batch: str, kept: Kept) -> tuple[int, bool]:
        settled = await self._redis.hget(keys.batch(batch), "settled_at")
        if settled is None:
            return 0, True
        return await self._ledger.do(transitions.reap(batch, kept, settled.decode(), STRETCH))
