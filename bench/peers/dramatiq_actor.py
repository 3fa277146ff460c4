"""dramatiq: threads in processes, its own Lua on Redis."""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.peers.job import REDIS_URL
from bench.peers.posting import post_and_keep

broker = RedisBroker(url=REDIS_URL)
dramatiq.set_broker(broker)


@dramatiq.actor(max_retries=0)
def create(key: str, body: str) -> None:
    post_and_keep(key, body)


def enqueue(jobs: list[tuple[str, str]]) -> None:
    """Hands jobs over on one connection."""
    for job in jobs:
        create.send(*job)
