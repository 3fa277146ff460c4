"""
Limits for connections: timeouts for each phase, a maximum number, and strict parsing.

uvicorn has a timeout between requests and none within them: a client that sends half a header or half a
body, or that reads no answer, keeps a connection open without limit, and some thousand of them block all
others. Bytes that two servers may parse as different requests (request smuggling) are refused, and the
connection is closed.
"""

from __future__ import annotations

import asyncio
import logging
import re
import resource
import time
from collections import Counter
from typing import Any

import h11
from h11._receivebuffer import ReceiveBuffer
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_WITHIN = 10.0
"""Seconds in which a request's head must have come, from the connection's begin or the answer before."""

BODY_EVERY = 30.0
"""Seconds in each of which `BODY_LEAST` bytes of a body must come, while it is read."""

BODY_LEAST = 4096

READ_WITHIN = 60.0
"""Seconds in which a client must read part of a pending answer."""

HEAD_LARGEST = 32 * 1024
"""Largest head of a request, in bytes."""

MOST = 4096
"""Most connections at a time, if the process may open so many files."""

OWN_FILES = 300
"""Files that the server may need besides its connections: Redis, uploads, outcome files, new connections."""

ACCEPTED_AT_ONCE = 64
"""Connections accepted in one step before any is read; asyncio logs each that there is no file for."""

LOGGED = 10
"""Lines of one kind that uvicorn may log per minute; unauthenticated clients cause them."""

_BARE_LF = re.compile(rb"(?<!\r)\n")


def most_connections() -> int:
    """Most connections of this process; its limit of open files is raised as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + OWN_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    most = MOST if soft == resource.RLIM_INFINITY else min(MOST, soft - OWN_FILES)
    return max(most, 16)


class Book:
    """
    The connections of one server.

    Attributes:
        idle: those without a request in progress, the longest idle first.
        lost: connections that have ended.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.idle: dict[LimitedProtocol, None] = {}
        self.lost = 0

    def make_room(self, newcomer: LimitedProtocol) -> bool:
        """Closes the connection that has been idle for longest. Returns: whether there was one."""
        for each in self.idle:
            if each is not newcomer:
                each.transport.abort()
                self.idle.pop(each)
                return True
        return False


class LimitedProtocol(H11Protocol):
    """One connection. `book` has all of them."""

    def __init__(self, *args: Any, book: Book, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = StrictConnection(h11.SERVER, HEAD_LARGEST)
        self._book = book
        self._head_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._came = 0
        self._came_before = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._book.most and not self._book.make_room(self):
            self._end_with(b"503 Service Unavailable", b"Retry-After: 1\r\n")
            return
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head_timer, self._body_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._body_timer = self._write_timer = None
        self._book.idle.pop(self, None)
        self._book.lost += 1
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._came += len(data)
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(READ_WITHIN, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def send_400_response(self, msg: str) -> None:
        if self._serving:
            # Its answer may have begun, so a second one must not be sent.
            self._leave()
        else:
            super().send_400_response(msg)

    @property
    def _serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _look(self) -> None:
        """Sets the clocks by what the connection is at."""
        if self.transport.is_closing():
            return
        if not self._serving:
            self._book.idle.setdefault(self)
            if self._head_timer is None:
                self._head_timer = self.loop.call_later(HEADER_WITHIN, self._too_late)
            return
        self._book.idle.pop(self, None)
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        if self.cycle.more_body and self._body_timer is None:
            self._watch_body()

    def _watch_body(self) -> None:
        self._came_before = self._came
        self._body_timer = self.loop.call_later(BODY_EVERY, self._check_body)

    def _check_body(self) -> None:
        self._body_timer = None
        if not self._serving or not self.cycle.more_body:
            return
        # Paused: it is we who do not read.
        if self.flow.read_paused or self._came - self._came_before >= BODY_LEAST:
            self._watch_body()
        else:
            self._too_late()

    def _too_late(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        if self._serving and self.cycle.response_started:
            self._leave()
        elif self._came:
            self._end_with(b"408 Request Timeout")
        else:
            self._leave()

    def _end_with(self, status: bytes, headers: bytes = b"") -> None:
        self.transport.write(
            b"HTTP/1.1 " + status + b"\r\n" + headers + b"Content-Length: 0\r\nConnection: close\r\n\r\n"
        )
        self._leave()

    def _leave(self) -> None:
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


class StrictConnection(h11.Connection):
    """
    HTTP/1.1 that every proxy reads alike.

    Raises, from `next_event`: RemoteProtocolError where a line of a head or trailer ends without CR, and
    where a body has both a length and an encoding, or an encoding in HTTP/1.0 (RFC 9112 §6.1, §2.2).
    """

    def __init__(self, role: type[h11.SERVER], largest: int) -> None:
        super().__init__(role, largest)
        self._receive_buffer = _StrictLines()

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {name for name, _ in event.headers}
            if b"transfer-encoding" in names and (b"content-length" in names or event.http_version < b"1.1"):
                raise h11.RemoteProtocolError("the length of the body is given in two ways")
        return event


class _StrictLines(ReceiveBuffer):
    def maybe_extract_lines(self) -> list[bytearray] | None:
        data, size = self._data[: HEAD_LARGEST * 2], len(self)
        lines = super().maybe_extract_lines()
        if lines is not None and _BARE_LF.search(data, 0, size - len(self)):
            raise h11.LocalProtocolError("a header line ends without CR")
        return lines


class Throttle(logging.Filter):
    """Lets some lines of a kind through a minute, and tells how many it has kept back."""

    def __init__(self) -> None:
        super().__init__()
        self._minute = 0.0
        self._counts: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now - self._minute >= 60:
            kept_back = sum(count - LOGGED for count in self._counts.values() if count > LOGGED)
            if kept_back:
                record.msg = f"{record.msg} ({kept_back:,} similar lines suppressed within a minute)"
            self._minute, self._counts = now, Counter()
        kind = str(record.msg)
        self._counts[kind] += 1
        return self._counts[kind] <= LOGGED or record.levelno >= logging.CRITICAL
