"""A worker's signs of life in the ledger, and what it shows its own watchdog of Redis and the broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from provisioning import keys, log_events
from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import Ledger, WorkerSign
from provisioning.logs import say
from provisioning.queue import QUEUE
from provisioning.signs import Signs

_SIGN = """
local now = redis.call('TIME')
redis.call('ZADD', KEYS[1], now[1] * 1000 + math.floor(now[2] / 1000), ARGV[1])
"""
"""By Redis' clock, as whoever reads it: a worker whose own is behind would be taken for gone."""


class Presence:
    """
    Shows that a worker is there.

    Args:
        signs: where the watchdog looks; None where there is none.
        waiting: asks the broker how many messages wait, where that is not the ledger's Redis. May block.
    """

    def __init__(
        self, ledger: Ledger, *, name: str, signs: Signs | None, waiting: Callable[[], int] | None
    ) -> None:
        self._ledger = ledger
        self._name = name
        self._signs = signs
        self._waiting = waiting

    async def sign(self, state: WorkerSign) -> None:
        """Gives the ledger a sign of life, and the watchdog one of the ledger."""
        pipeline = self._ledger.redis.pipeline(transaction=False)
        pipeline.eval(_SIGN, 1, keys.WORKERS, self._name)
        pipeline.hset(keys.WORKER_SIGNS, self._name, msgspec.json.encode(state))
        if self._waiting is None:  # with a broker of its own, a list of that name would be somebody else's
            pipeline.llen(QUEUE)
        said = await pipeline.execute()
        if self._signs is None:
            return
        self._signs.ledger = time.monotonic()
        self._signs.looked = True
        if self._waiting is None and said[-1] == 0:
            self._signs.message = time.monotonic()

    async def sign_off(self) -> None:
        """Says that the worker leaves."""
        await self._ledger.redis.zrem(keys.WORKERS, self._name)
        await self._ledger.redis.hdel(keys.WORKER_SIGNS, self._name)

    async def ask_broker(self) -> None:
        """Shows the watchdog that no message waits, or that the broker is away and Celery waits for it."""
        if self._waiting is None or self._signs is None:
            return
        try:
            if await asyncio.to_thread(self._waiting) == 0:
                self._signs.message = time.monotonic()
        except LedgerUnavailableError as error:
            say(log_events.BROKER_LOST, error=error)
            self._signs.reconnect_at(time.monotonic())
