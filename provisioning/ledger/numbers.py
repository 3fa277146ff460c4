"""The numbers of a batch's jobs."""

from __future__ import annotations

from typing import Any

from provisioning.ledger import keys


async def last_number(redis: Any, batch: str) -> int:
    """The highest; 0 if there is none. Where Redis has lost jobs there are gaps below it."""
    accepted, last = await redis.hmget(keys.batch(batch), "accepted", "last_number")
    return max(int(accepted or 0), int(last or 0))
