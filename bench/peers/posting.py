"""The job in threads, greenlets and processes: POST with httpx, retry with tenacity, keep the result."""

from __future__ import annotations

import ssl
from collections import deque
from typing import Final

import httpx
import redis
from tenacity import Retrying

from bench.peers.job import API_URL, DEAD, HEADERS, REDIS_URL, RESULTS, RETRYING, TIMEOUT, kept

# A client for each job in flight, not one for all: its pool then holds one connection and finds it at once.
# A stack and not thread-locals: Celery's greenlets live for one job only.
_idle: Final[deque[httpx.Client]] = deque()
_redis: Final = redis.Redis.from_url(REDIS_URL)
_tls: Final = ssl.create_default_context()  # 20 ms to make, and http:// never asks for it


def post_and_keep(key: str, body: str) -> None:
    """Does one job. Raises: httpx.HTTPError once its attempts are used up."""
    try:
        client = _idle.pop()
    except IndexError:
        client = httpx.Client(headers=HEADERS, timeout=TIMEOUT, verify=_tls)
    try:
        for attempt in Retrying(**RETRYING):
            with attempt:
                response = client.post(API_URL, content=body.encode())
                response.raise_for_status()
                number = attempt.retry_state.attempt_number
    except httpx.HTTPError:
        _redis.sadd(DEAD, key)
        raise
    finally:
        _idle.append(client)
    _redis.hset(RESULTS, key, kept(response, number))
