"""A plain Celery task a row, for its prefork, threads and gevent pools."""

from __future__ import annotations

from celery import Celery

from bench.peers.job import REDIS_URL
from bench.peers.posting import post_and_keep

app = Celery("bench", broker=REDIS_URL)
app.conf.update(
    task_ignore_result=True,
    task_serializer="json",
    worker_prefetch_multiplier=16,  # the default of 4 makes short jobs wait for the broker
    worker_send_task_events=False,
    broker_pool_limit=10,
)


@app.task(name="create")
def create(key: str, body: str) -> None:
    post_and_keep(key, body)


def enqueue(jobs: list[tuple[str, str]]) -> None:
    """Hands jobs over on one connection."""
    with app.producer_pool.acquire(block=True) as producer:
        for job in jobs:
            create.apply_async(job, producer=producer)
