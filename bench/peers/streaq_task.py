"""streaq: tasks on an event loop, Redis streams below."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from streaq import Worker

from bench.peers.job import IN_FLIGHT, REDIS_URL
from bench.peers.posting_async import Poster

CHUNK = 1000


@asynccontextmanager
async def lifespan() -> AsyncGenerator[Poster]:
    async with Poster() as poster:
        yield poster


worker: Worker[Poster] = Worker(
    redis_url=REDIS_URL,
    concurrency=IN_FLIGHT,
    lifespan=lifespan,
    serializer=json.dumps,
    deserializer=json.loads,
    anyio_kwargs={"use_uvloop": True},
)


@worker.task(silent=True, ttl=0, max_tries=1)
async def create(key: str, body: str) -> None:
    await worker.context.post_and_keep(key, body)


def enqueue(jobs: list[tuple[str, str]]) -> None:
    """Hands jobs over in pipelines."""
    asyncio.run(_enqueue(jobs))


async def _enqueue(jobs: list[tuple[str, str]]) -> None:
    async with worker:
        for first in range(0, len(jobs), CHUNK):
            await worker.enqueue_many([create.enqueue(*job) for job in jobs[first : first + CHUNK]])
