"""
Reservations of work between servers: one at a time, until it does not renew its reservation any more.

A reservation only saves work: a server that was frozen may believe that it still has one, so what it does
must be safe twice.
"""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis


async def take(redis: Redis, key: str, server: str, seconds: float) -> bool:
    """Reserves for so many seconds, anew if this server has it already. Returns: whether it has it."""
    client: Any = redis
    milliseconds = int(seconds * 1000)
    if await client.set(key, server, nx=True, px=milliseconds):
        return True
    if await client.get(key) != server.encode():
        return False
    # Between the two, another server may have taken it.
    return bool(await client.pexpire(key, milliseconds))
