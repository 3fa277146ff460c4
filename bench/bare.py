"""
The loop with no queue and no ledger: `python -m bench.bare KIND`. What remains is the cost of a POST.

As many tasks as may be in flight take rows from one iterator; results stay in memory. It does as it is told
on its standard input: `load FILE` reads rows and answers `loaded`, `go` does them and answers `done`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from worker.execution.transport import AiohttpTransport, Wire

API_URL: Final = os.environ["BENCH_API_URL"] + "/v1/widget/create"
IN_FLIGHT: Final = int(os.environ["BENCH_IN_FLIGHT"])
HEADERS: Final = {
    "Authorization": "Basic " + b64encode(b"bench:bench").decode(),
    "Content-Type": "application/json",
    "Accept": "application/json",
}
SECONDS: Final = 30.0

Post = Callable[[bytes], Awaitable[tuple[int, bytes]]]
"""One POST: the body in; the status and the answer out."""


class FailedError(Exception):
    """An answer that is worth another attempt."""


def read_jobs(file: Path) -> list[tuple[str, bytes]]:
    """Rows as `bench.rows` writes them: key and body."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [(key, body.encode()) for key, _, body in (line.partition("\t") for line in lines)]


def main(kind: str) -> None:
    asyncio.run(_main(KINDS[kind]))


async def _main(client: Callable[[], Any]) -> None:
    jobs: list[tuple[str, bytes]] = []
    async with client() as post:
        while line := await asyncio.to_thread(sys.stdin.readline):
            word, _, file = line.strip().partition(" ")
            if word == "load":
                jobs = read_jobs(Path(file))
                print("loaded", flush=True)
            elif word == "go":
                results: dict[str, dict[str, Any]] = {}
                await _all(post, iter(jobs), results)
                if len(results) != len(jobs):
                    raise RuntimeError("a job has no result")
                print("done", flush=True)


async def _all(post: Post, jobs: Iterator[tuple[str, bytes]], results: dict[str, dict[str, Any]]) -> None:
    async def one_after_the_other() -> None:
        for key, body in jobs:
            reply, attempts = await post(body), 1
            if reply[0] >= 500:
                # tenacity is asked once there is something to retry: this loop is the floor.
                reply, attempts = await _again(post, body, reply)
            widget = json.loads(reply[1])["data"]["Widget"]["id"]
            results[key] = {"widget_id": widget, "attempts": attempts}

    await asyncio.gather(*(one_after_the_other() for _ in range(IN_FLIGHT)))


async def _again(post: Post, body: bytes, first: tuple[int, bytes]) -> tuple[tuple[int, bytes], int]:
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(FailedError),
        stop=stop_after_attempt(6),
        wait=wait_random_exponential(multiplier=0.5, max=30),
        reraise=True,
    ):
        with attempt:
            number = attempt.retry_state.attempt_number
            reply = first if number == 1 else await post(body)
            if reply[0] >= 500:
                raise FailedError(reply[0])
    return reply, number


@asynccontextmanager
async def with_httpx() -> AsyncIterator[Post]:
    """httpx with its own transport."""
    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    async with httpx.AsyncClient(headers=HEADERS, timeout=SECONDS, limits=limits) as client:

        async def post(body: bytes) -> tuple[int, bytes]:
            response = await client.post(API_URL, content=body)
            return response.status_code, response.content

        yield post


@asynccontextmanager
async def with_our_transport() -> AsyncIterator[Post]:
    """httpx over the transport of our worker, evidence included."""
    async with httpx.AsyncClient(
        headers=HEADERS, timeout=SECONDS, transport=AiohttpTransport(), trust_env=False
    ) as client:

        async def post(body: bytes) -> tuple[int, bytes]:
            response = await client.post(API_URL, content=body, extensions={"wire": Wire()})
            return response.status_code, response.content

        yield post


@asynccontextmanager
async def with_aiohttp() -> AsyncIterator[Post]:
    """aiohttp alone."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=SECONDS, sock_read=SECONDS)
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS, timeout=timeout) as session:

        async def post(body: bytes) -> tuple[int, bytes]:
            async with session.post(API_URL, data=body) as response:
                return response.status, await response.read()

        yield post


KINDS: Final[dict[str, Callable[[], Any]]] = {
    "httpx": with_httpx,
    "our-transport": with_our_transport,
    "aiohttp": with_aiohttp,
}


if __name__ == "__main__":
    main(*sys.argv[1:])
