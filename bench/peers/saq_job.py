"""saq: tasks on an event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from saq import Queue

from bench.peers.job import IN_FLIGHT, REDIS_URL
from bench.peers.posting_async import Poster

CHUNK = 100

queue = Queue.from_url(REDIS_URL, name="bench")


async def create(ctx: dict[str, Any], *, tenant: str, body: str) -> None:
    await ctx["poster"].post_and_keep(tenant, body)


async def start(ctx: dict[str, Any]) -> None:
    ctx["poster"] = await Poster().__aenter__()


async def stop(ctx: dict[str, Any]) -> None:
    await ctx["poster"].__aexit__(None, None, None)


settings = {
    "queue": queue,
    "functions": [create],
    "concurrency": IN_FLIGHT,
    "startup": start,
    "shutdown": stop,
}


def enqueue(jobs: list[tuple[str, str]]) -> None:
    """Hands jobs over, a hundred at once."""
    asyncio.run(_enqueue(jobs))


async def _enqueue(jobs: list[tuple[str, str]]) -> None:
    await queue.connect()
    for first in range(0, len(jobs), CHUNK):
        await asyncio.gather(
            *(
                queue.enqueue("create", tenant=key, body=body, ttl=-1, timeout=150)
                for key, body in jobs[first : first + CHUNK]
            )
        )
    await queue.disconnect()
