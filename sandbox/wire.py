"""Executes a conduct: sends the answer whole, in part, slowly or not at all."""

from __future__ import annotations

import asyncio
import socket
import struct
from http import HTTPStatus
from typing import assert_never

from aiohttp import web

from sandbox.conduct import Closed, Conduct, Dribbled, HalfStatusLine, Reset, Stalled, Truncated, Whole
from sandbox.contract import Answer

_DRIBBLES = 10
"""Pieces of a body that is sent slowly: several reads for the client, each after a short time."""

_LOOK_SECONDS = 0.1
"""Seconds between checks of a stall whether the client is still connected."""

_RST_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: closing the socket then sends RST instead of FIN."""


async def deliver(request: web.Request, conduct: Conduct) -> web.StreamResponse:
    """
    Execute the conduct for the request.

    Returns: what the handler must return. If the connection is closed by then, aiohttp writes nothing.
    """
    match conduct:
        case Whole(answer):
            return web.Response(status=answer.status, headers=answer.headers, body=answer.body)
        case Dribbled(answer, seconds):
            return await _dribble(request, answer, seconds)
        case Truncated(answer):
            _write_and_close(request, _head(answer) + answer.body[: len(answer.body) // 2])
        case HalfStatusLine():
            _write_and_close(request, b"HTTP/1.1 2")
        case Closed():
            _write_and_close(request, b"")
        case Reset():
            _reset(request)
        case Stalled(seconds):
            await _wait_while_connected(request, seconds)
            _write_and_close(request, b"")
        case _:
            assert_never(conduct)
    return web.Response()


def _head(answer: Answer) -> bytes:
    """Status line and headers as bytes, for invalid answers that aiohttp would not send."""
    headers = {**answer.headers, "Content-Length": str(len(answer.body))}
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _write_and_close(request: web.Request, data: bytes) -> None:
    transport = request.transport
    if transport is not None:
        if data:
            transport.write(data)
        transport.close()  # flushes first, then FIN


def _reset(request: web.Request) -> None:
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
    transport.abort()


async def _dribble(request: web.Request, answer: Answer, seconds: float) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = len(answer.body)
    size = -(-len(answer.body) // _DRIBBLES)
    try:
        await response.prepare(request)
        for start in range(0, len(answer.body), size):
            await asyncio.sleep(seconds / _DRIBBLES)
            await response.write(answer.body[start : start + size])
    except ConnectionError:
        pass  # the client has closed the connection
    return response


async def _wait_while_connected(request: web.Request, seconds: float) -> None:
    """Sleep until the time or the client's disconnection: a closed connection must not count as in flight."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    # aiohttp signals a lost connection only by cancelling the handler, which a realistic server must not
    # do: the widget of a client that has disconnected is still created.
    while (left := until - loop.time()) > 0 and request.transport is not None:  # noqa: ASYNC110
        await asyncio.sleep(min(left, _LOOK_SECONDS))
