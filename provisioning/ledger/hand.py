"""What a person, or a brake, does to the flow: hold, release, cancel, redrive, resolve."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
from redis.asyncio import Redis

from provisioning import keys
from provisioning.attempt import Result
from provisioning.errors import NotFoundError
from provisioning.ledger import transitions
from provisioning.ledger.records import Hold, Release
from provisioning.ledger.scripts import Call
from provisioning.pace import Rate

STRETCH = 2000
"""Jobs that one call cancels or redrives: a few ms of Redis' time, so that nobody else waits long."""

Do = Callable[[Call[Any]], Awaitable[Any]]


class Hand:
    """The operator's hand in the ledger. Every act names who did it."""

    def __init__(self, redis: Redis, do: Do) -> None:
        self._redis: Any = redis
        self._do = do

    async def hold(self, scope: str, *, by: str, why: str) -> bool:
        """
        Pauses `scope` by a person's word: no POST of it starts from now on, on any worker.

        Args:
            scope: a field of `keys.HOLDS`.
        Returns: False if it was held already; the first word stands.
        """
        hold = Hold(scope=scope, at=time.time(), by=by, why=why, kind="paused")
        return bool(await self._redis.hsetnx(keys.HOLDS, scope, msgspec.json.encode(hold).decode()))

    async def release(self, scope: str) -> Release:
        """Lets `scope` go on: at once after a pause, after one canary's success under a brake."""
        word: Release = await self._do(transitions.release(scope))
        return word

    async def set_pace(self, credential: str, rate: Rate) -> None:
        """Sets the pace of a credential on all workers, in force within a second and across restarts."""
        await self._redis.hset(keys.RATES, credential, rate.word)

    async def choose_on_in_doubt(self, batch: str, choice: str) -> None:
        """Has the doubtful jobs of a batch wait for a person (`hold`), or tried again (`retry`)."""
        await self._redis.hset(keys.batch(batch), "on_in_doubt", choice)

    async def cancel(self, batch: str, by: str, *, credential: str | None = None) -> int:
        """
        Calls off every job of a batch, or of one credential in it, that has not begun to be sent.

        The batch is held first, so that no further POST starts while the sweep goes over it.
        Returns: how many.
        """
        scope = keys.hold_batch(batch)
        mine = await self.hold(scope, by=by, why="being cancelled")
        accepted = int(await self._redis.hget(keys.batch(batch), "accepted") or 0)
        cancelled = 0
        for first in range(1, accepted + 1, STRETCH):
            last = min(first + STRETCH - 1, accepted)
            cancelled += await self._do(transitions.cancel(batch, first, last, by, credential))
        if mine:
            await self.release(scope)
        return cancelled

    async def redrive(self, batch: str, numbers: AsyncIterator[int], by: str) -> int:
        """Queues dead or cancelled jobs again, fresh attempts, history kept. Returns: how many."""
        redriven, stretch = 0, list[int]()
        async for number in numbers:
            stretch.append(number)
            if len(stretch) == STRETCH:
                redriven += await self._do(transitions.redrive(batch, stretch, by))
                stretch = []
        if stretch:
            redriven += await self._do(transitions.redrive(batch, stretch, by))
        return redriven

    async def resolve(
        self, batch: str, number: int, *, created: bool, by: str, result: Result | None = None
    ) -> bool:
        """
        Settles a doubt by a person's word. Returns: whether the job was in doubt.

        Raises: NotFoundError if there is no such job.
        """
        if not await self._redis.exists(keys.job(batch, number)):
            raise NotFoundError(f"there is no job {batch}.{number}")
        return bool(
            await self._do(transitions.resolve(batch, number, created=created, who=by, result=result))
        )
