"""arq: tasks on an event loop."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import func

from bench.peers.job import IN_FLIGHT, REDIS_URL
from bench.peers.posting_async import Poster

REDIS = RedisSettings.from_dsn(REDIS_URL)
CHUNK = 100


async def create(ctx: dict[str, Any], key: str, body: str) -> None:
    await ctx["poster"].post_and_keep(key, body)


async def start(ctx: dict[str, Any]) -> None:
    ctx["poster"] = await Poster().__aenter__()


async def stop(ctx: dict[str, Any]) -> None:
    await ctx["poster"].__aexit__(None, None, None)


class WorkerSettings:
    functions: ClassVar = [func(create, keep_result=0, max_tries=1)]
    redis_settings = REDIS
    on_startup = start
    on_shutdown = stop
    max_jobs = IN_FLIGHT
    poll_delay = 0.02  # the default of 0.5 s would be most of a short job
    handle_signals = True


def enqueue(jobs: list[tuple[str, str]]) -> None:
    """Hands jobs over, a hundred at once."""
    asyncio.run(_enqueue(jobs))


async def _enqueue(jobs: list[tuple[str, str]]) -> None:
    pool = await create_pool(REDIS)
    for first in range(0, len(jobs), CHUNK):
        await asyncio.gather(*(pool.enqueue_job("create", *job) for job in jobs[first : first + CHUNK]))
    await pool.aclose()
