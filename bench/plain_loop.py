"""
The loop that anybody writes in an hour: aiohttp and tenacity, so many rows at once, no queue and no ledger.

It does as it is told on its standard input: `load FILE` reads rows and answers `loaded`, `go` does them and
answers with their ends as JSON, then `done`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import aiohttp
from tenacity import (
    RetryCallState,
    retry,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from bench.bare import API_URL, HEADERS, IN_FLIGHT, SECONDS, read_jobs

FULL_JITTER: Final = wait_random_exponential(multiplier=0.5, max=30)  # under 0.5 s, 1 s, 2 s, …


class PushedBackError(Exception):
    """An answer that is worth another attempt; `wait` is the seconds that it asks for."""

    def __init__(self, status: int, wait: str | None) -> None:
        super().__init__(status)
        self.wait = wait


def wait(state: RetryCallState) -> float:
    """What the API asks for, or else a backoff: seconds."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait if isinstance(error, PushedBackError) else None
    return float(asked) if asked else FULL_JITTER(state)


@retry(
    retry=retry_if_exception_type((PushedBackError, aiohttp.ClientError, TimeoutError)),
    stop=stop_after_attempt(6),
    wait=wait,
    reraise=True,
)
async def create(session: aiohttp.ClientSession, body: bytes) -> str:
    async with session.post(API_URL, data=body) as response:
        if response.status == 429 or response.status >= 500:
            raise PushedBackError(response.status, response.headers.get("Retry-After"))
        response.raise_for_status()
        widget: str = (await response.json())["data"]["Widget"]["id"]
        return widget


async def create_all(session: aiohttp.ClientSession, jobs: list[tuple[str, bytes]]) -> Counter[str]:
    slots = asyncio.Semaphore(IN_FLIGHT)
    widgets: dict[str, str] = {}

    async def one(key: str, body: bytes) -> str:
        async with slots:
            try:
                widgets[key] = await create(session, body)
            except (PushedBackError, aiohttp.ClientError, TimeoutError):
                return "dead"
            return "created"

    return Counter(await asyncio.gather(*(one(key, body) for key, body in jobs)))


async def main() -> None:
    jobs: list[tuple[str, bytes]] = []
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS, timeout=timeout) as session:
        while line := await asyncio.to_thread(sys.stdin.readline):
            word, _, file = line.strip().partition(" ")
            if word == "load":
                jobs = read_jobs(Path(file))
                print("loaded", flush=True)
            elif word == "go":
                ends = await create_all(session, jobs)
                print(f"{json.dumps(ends)}\ndone", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
