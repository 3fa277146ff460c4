"""A firewall between workers and Redis that forgets connections: nothing passes, and nobody is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class Firewall:
    """Passes on what comes to `url`; connections that it has forgotten stay open and are dead."""

    def __init__(self, there: str) -> None:
        self._there = urlsplit(there).port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="firewall", daemon=True)
        self._copying: set[asyncio.Task[None]] = set()
        self._open: list[asyncio.StreamWriter] = []
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._pass, "127.0.0.1", 0), self._loop
        )
        self._server = started.result(10)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    def forget(self) -> int:
        """Forgets every connection; new ones pass. Returns: how many there were."""
        return asyncio.run_coroutine_threadsafe(self._forget(), self._loop).result(10)

    def close(self) -> None:
        """Ends it, and every connection with it."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, away = await asyncio.open_connection("127.0.0.1", self._there)
        self._open += [writer, away]
        for source, target in ((reader, away), (there, writer)):
            task = asyncio.get_running_loop().create_task(_copy(source, target))
            self._copying.add(task)
            task.add_done_callback(self._copying.discard)

    async def _forget(self) -> int:
        forgotten = list(self._copying)
        for task in forgotten:
            task.cancel()
        await asyncio.gather(*forgotten, return_exceptions=True)
        return len(forgotten) // 2

    async def _close(self) -> None:
        self._server.close()
        await self._forget()
        for writer in self._open:
            writer.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while some := await source.read(65536):
            target.write(some)
            await target.drain()
        target.close()
    except OSError:
        target.close()


@contextmanager
def firewall(there: str) -> Iterator[Firewall]:
    """One before a Redis, gone when the block ends."""
    wall = Firewall(there)
    try:
        yield wall
    finally:
        wall.close()
