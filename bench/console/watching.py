"""
Pages that are left open in so many browsers: what they ask of Redis, and what they take from a worker.

The browsers are connections of one process that does what `console/web/static/live.js` does: 50 of Chromium
would take the CPU that the worker and the server share here; in earnest it is that of other machines.

    python -m bench.console.watching URL COOKIE PATH COUNT     until its input ends
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Final

import aiohttp

from bench.console.pages import calls
from bench.console.results import Watched
from bench.console.stage import Load, Stage

Report = Callable[[str], None]
"""Is told, in words, how far it is."""

STREAM: Final = re.compile(r'data-live="([^"]+)"')
"""Where a page says which stream tells its changes."""

LEAST: Final = 1.0
"""Seconds between two updates of a page."""

START_SECONDS: Final = 60.0


def calls_per_second(stage: Stage, path: str, counts: list[int], seconds: float) -> dict[int, float]:
    """Redis commands a second while a page is open so many times, and nothing is sent."""
    found = {}
    for count in counts:
        with _watched(stage, path, count):
            before = calls(stage)
            time.sleep(seconds)
            found[count] = round((calls(stage) - before) / seconds, 1)
    return found


def paces(stage: Stage, load: Load, latency: float, watchers: int, rounds: int, seconds: float) -> Watched:
    """A worker's pace with and without watchers of a batch that it sends, in turns of so many seconds."""
    alone: list[float] = []
    beside: list[float] = []
    for n in range(rounds):
        # Each goes first every other time: a machine that slows down meanwhile slows both.
        for watched in (False, True) if n % 2 == 0 else (True, False):
            load.top_up()
            if not watched:
                alone.append(_pace(load, seconds))
                continue
            with _watched(stage, f"/batches/{load.batch}", watchers):
                beside.append(_pace(load, seconds))
    return Watched(latency, watchers, alone, beside)


def _pace(load: Load, seconds: float) -> float:
    before, began = load.sent(), time.monotonic()
    time.sleep(seconds)
    return round((load.sent() - before) / (time.monotonic() - began), 1)


@contextlib.contextmanager
def _watched(stage: Stage, path: str, count: int) -> Iterator[None]:
    """A page that is open in so many browsers while the block runs."""
    words = [sys.executable, "-m", __name__, stage.url, "=".join(stage.cookie), path, str(count)]
    with subprocess.Popen(
        words, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise TypeError("the watchers have no input and output")
        if process.stdout.readline() != b"open\n":
            raise RuntimeError("the watchers did not open their pages")
        yield
        process.stdin.close()
        if process.wait() != 0:
            raise RuntimeError("a watcher was refused")


async def watch(url: str, cookie: str, path: str, count: int) -> None:
    """Keeps a page open so many times until the input ends. Raises: RuntimeError if it has no stream."""
    headers = {"Cookie": cookie, "Accept": "text/html", "Accept-Encoding": "gzip"}
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(None)
    async with aiohttp.ClientSession(
        url, headers=headers, raise_for_status=True, connector=connector, timeout=timeout
    ) as http:
        async with http.get(path) as answer:
            stream = STREAM.search(await answer.text())
        if not stream:
            raise RuntimeError(f"{path} has no stream")
        opened = asyncio.Semaphore(0)
        watchers = [
            asyncio.ensure_future(_stay(http, path, unescape(stream[1]), opened)) for _ in range(count)
        ]
        for _ in range(count):
            await asyncio.wait_for(opened.acquire(), START_SECONDS)
        print("open", flush=True)
        ended = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
        await asyncio.wait([*watchers, ended], return_when=asyncio.FIRST_COMPLETED)
        for watcher in watchers:
            if watcher.done():
                watcher.result()
            watcher.cancel()


async def _stay(http: aiohttp.ClientSession, path: str, stream: str, opened: asyncio.Semaphore) -> None:
    """Looks at a page again whenever its stream says that it has changed, once in `LEAST` seconds at most."""
    looked = 0.0
    async with http.get(stream, headers={"Accept": "text/event-stream"}) as events:
        opened.release()
        async for line in events.content:
            if line.startswith(b"event: ended"):
                raise RuntimeError("the session has ended")
            if line.startswith(b"event: changed"):
                await asyncio.sleep(max(0.0, looked + LEAST - time.monotonic()))
                looked = time.monotonic()
                async with http.get(path, headers={"X-Live": "1"}) as answer:
                    await answer.read()
    raise RuntimeError("the stream has ended")


if __name__ == "__main__":
    asyncio.run(watch(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
