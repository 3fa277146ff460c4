"""
A TCP address on loopback that stays, whoever stands behind it: it may stall, lose what it took, or forget.

It runs in a thread of its own, so that it passes on also while the test itself waits for something.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

ANSWER_SECONDS = 10.0
"""Far more than its thread takes to do what it is told."""


class Wire:
    """
    Passes on what comes to `port`.

    Attributes:
        sent: bytes that came from the side of those who connect.
    """

    def __init__(self, target: int | None) -> None:
        self.sent = 0
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._flows = asyncio.Event()
        self._flows.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._thread.start()
        self._server = self._wait_for(asyncio.start_server(self._begin, "127.0.0.1", 0))
        self.port = int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """The Redis behind it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def lead_to(self, target: int | None) -> None:
        """Where new connections lead; None hangs up on them."""
        self._target = target

    def stall(self) -> None:
        """Takes what comes and passes nothing on."""
        self._do(self._flows.clear)

    def flow(self) -> None:
        """Passes on again what comes."""
        self._do(self._flows.set)

    def cut(self) -> None:
        """Ends every connection; what was not passed on is gone."""
        self._do(self._cut)

    def forget(self) -> int:
        """As a firewall does: connections stay open and are dead, new ones pass. Returns: how many."""
        return self._wait_for(self._forget())

    def close(self) -> None:
        """Ends it, and every connection with it."""
        self._wait_for(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_SECONDS)
        self._loop.close()

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_SECONDS)

    def _do(self, act: Callable[[], None]) -> None:
        async def done() -> None:
            act()

        self._wait_for(done())

    def _cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def _forget(self) -> int:
        forgotten = list(self._passing)
        for passing in forgotten:
            passing.cancel()
        await asyncio.gather(*forgotten, return_exceptions=True)
        return len(forgotten)

    async def _close(self) -> None:
        self._server.close()
        await self._forget()
        self._cut()

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passing = asyncio.ensure_future(self._pass(reader, writer))
        self._passing.add(passing)
        passing.add_done_callback(self._passing.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, away = await asyncio.open_connection("127.0.0.1", self._target or 0)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, away}
        self._open |= ends
        copying = [
            asyncio.ensure_future(self._copy(reader, away, outward=True)),
            asyncio.ensure_future(self._copy(there, writer, outward=False)),
        ]
        try:
            await asyncio.wait(copying, return_when=asyncio.FIRST_COMPLETED)
        finally:  # forgotten, it leaves both ends open
            for each in copying:
                each.cancel()
        for end in ends:
            end.transport.abort()
        self._open -= ends

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, outward: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                if outward:
                    self.sent += len(data)
                await self._flows.wait()
                sink.write(data)
                await sink.drain()


@contextlib.contextmanager
def wire(target: int | None) -> Iterator[Wire]:
    """One that is gone when the block ends."""
    made = Wire(target)
    try:
        yield made
    finally:
        made.close()
