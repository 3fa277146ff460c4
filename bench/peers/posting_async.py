"""The job on an event loop: POST with httpx, retry with tenacity, keep the result."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx
from redis.asyncio import Redis
from tenacity import AsyncRetrying

from bench.peers.job import API_URL, DEAD, HEADERS, IN_FLIGHT, REDIS_URL, RESULTS, RETRYING, TIMEOUT, kept


class Poster:
    """One httpx client and one Redis client for all jobs of a process; an async context manager."""

    async def __aenter__(self) -> Self:
        limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
        self._client = httpx.AsyncClient(headers=HEADERS, timeout=TIMEOUT, limits=limits)
        self._redis: Any = Redis.from_url(REDIS_URL)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()
        await self._redis.aclose()

    async def post_and_keep(self, key: str, body: str) -> None:
        """Does one job. Raises: httpx.HTTPError once its attempts are used up."""
        try:
            async for attempt in AsyncRetrying(**RETRYING):
                with attempt:
                    response = await self._client.post(API_URL, content=body.encode())
                    response.raise_for_status()
                    number = attempt.retry_state.attempt_number
        except httpx.HTTPError:
            await self._redis.sadd(DEAD, key)
            raise
        await self._redis.hset(RESULTS, key, kept(response, number))
