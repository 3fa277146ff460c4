"""
rq: a job a process. Its settings too: named as such, the pool imports the job once, before it forks.

`SimpleWorker` runs jobs in the worker itself; rq's default forks for each of them.
"""

from __future__ import annotations

from typing import Final

from redis import Redis
from rq import Queue

from bench.peers.job import REDIS_URL
from bench.peers.posting import post_and_keep

QUEUES: Final = ["bench"]
CHUNK: Final = 500


def create(key: str, body: str) -> None:
    post_and_keep(key, body)


def enqueue(jobs: list[tuple[str, str]]) -> None:
    """Hands jobs over in pipelines."""
    queue = Queue("bench", connection=Redis.from_url(REDIS_URL))
    for first in range(0, len(jobs), CHUNK):
        queue.enqueue_many(
            [
                # Without a description rq prints the arguments into one, and keeps it.
                Queue.prepare_data(create, job, result_ttl=0, description="create")
                for job in jobs[first : first + CHUNK]
            ]
        )
