"""taskiq on a Redis list: tasks on an event loop."""

from __future__ import annotations

import asyncio

from taskiq import TaskiqEvents, TaskiqState
from taskiq_redis import ListQueueBroker

from bench.peers.job import REDIS_URL
from bench.peers.posting_async import Poster

CHUNK = 50
"""As many as its pool has connections: each message takes one."""

# redis-py 8 stops waiting after 5 s unless told otherwise, and taskiq-redis then ends its worker.
broker = ListQueueBroker(REDIS_URL, socket_timeout=None)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def start(state: TaskiqState) -> None:
    state.poster = await Poster().__aenter__()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def stop(state: TaskiqState) -> None:
    await state.poster.__aexit__(None, None, None)


@broker.task("create")
async def create(key: str, body: str) -> None:
    await broker.state.poster.post_and_keep(key, body)


def enqueue(jobs: list[tuple[str, str]]) -> None:
    """Hands jobs over, fifty at once."""
    asyncio.run(_enqueue(jobs))


async def _enqueue(jobs: list[tuple[str, str]]) -> None:
    await broker.startup()
    for first in range(0, len(jobs), CHUNK):
        await asyncio.gather(*(create.kiq(*job) for job in jobs[first : first + CHUNK]))
    await broker.shutdown()
