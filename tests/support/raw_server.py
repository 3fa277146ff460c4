"""A TCP server on loopback that misbehaves to order: one script per connection, the last one repeated."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self


class Connection:
    """One accepted connection, as a script sees it."""

    def __init__(self, server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """Read one whole request; raises IncompleteReadError if the client hangs up first."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = sum(  # a HEAD has none
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        whole = head + await self._reader.readexactly(length)
        self._server.requests.append(whole)
        self._server.arrived.set()
        return whole

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def silence(self) -> None:
        """Say nothing until the client hangs up or the test ends."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(65536):
                pass

    def deafness(self) -> None:
        """Take no more bytes out of the socket."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def reset(self) -> None:
        """Throw the connection away: the client gets RST instead of FIN."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Script = Callable[[Connection], Awaitable[None]]


class RawServer:
    """
    Attributes:
        requests: every request that arrived whole, on any connection.
        arrived: set at the first of them.
        accepted: set at the first connection; `connections` counts them.
    """

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self._scripts = scripts
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[bytes] = []
        self.connections = 0
        self.arrived = asyncio.Event()
        self.accepted = asyncio.Event()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        listener = socket.socket()
        # Small and fixed, so that a deaf server is full after a few kilobytes.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        self._server = await asyncio.start_server(self._serve, sock=listener, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        self.connections += 1
        self.accepted.set()
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await script(Connection(self, reader, writer))
        except asyncio.CancelledError:
            pass  # the test is over; asyncio's stream server would report it as an error
        finally:
            self._tasks.discard(task)
            writer.close()
