"""The worker registry: heartbeats of workers; `Queries.workers` reads the recent ones."""

from __future__ import annotations

from typing import Any

import msgspec

from provisioning.ledger import keys
from provisioning.ledger.ledger import Ledger
from provisioning.ledger.records import WorkerSign

_SIGN = """
local now = redis.call('TIME')
redis.call('ZADD', KEYS[1], now[1] * 1000 + math.floor(now[2] / 1000), ARGV[1])
"""
"""By Redis' clock, like the readers: a worker whose clock is behind would be taken for dead."""


async def sign(ledger: Ledger, state: WorkerSign, *, queue: str | None) -> int | None:
    """
    Records a worker's heartbeat.

    Args:
        queue: of Celery, if this Redis is the broker: elsewhere a list of that name is not ours.

    Returns: how many messages wait in it; None without a queue.
    """
    redis: Any = ledger.redis
    pipeline = redis.pipeline(transaction=False)
    pipeline.eval(_SIGN, 1, keys.WORKERS, state.name)
    pipeline.hset(keys.WORKER_SIGNS, state.name, msgspec.json.encode(state))
    if queue is not None:
        pipeline.llen(queue)
    replies = await pipeline.execute()
    return None if queue is None else int(replies[-1])


async def sign_off(ledger: Ledger, name: str) -> None:
    """Removes a worker."""
    redis: Any = ledger.redis
    await redis.zrem(keys.WORKERS, name)
    await redis.hdel(keys.WORKER_SIGNS, name)
