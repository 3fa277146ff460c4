"""Connections: times, a number that can be borne, and one reading of what was sent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api import connections
from api.connections import LOGGED, Book, LimitedProtocol, Throttle
from tests.support.http_server import PATIENCE, running_server

GOOD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the size of the body; to /large with much."""
    request = Request(scope, receive)
    size = len(await request.body())
    large = b"x" * (32 << 20) if request.url.path == "/large" else b""
    await Response(large or str(size).encode())(scope, receive, send)


@asynccontextmanager
async def _serving(book: Book | None = None) -> AsyncIterator[int]:
    """The protocol around a small app, in this process. Yields: its port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    http: Any = partial(LimitedProtocol, book=book or Book(100))
    config = uvicorn.Config(_echo, http=http, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve([listener]))
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await running


async def _say(port: int, *parts: bytes) -> bytes:
    """What is answered until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), PATIENCE)
    finally:
        writer.close()


def _status(answer: bytes) -> int:
    return int(answer.split(b" ")[1])


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\n",
        b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * connections.HEAD_LARGEST * 2,
    ],
)
async def test_what_may_be_read_in_two_ways_is_refused_and_closed(request_: bytes) -> None:
    async with _serving() as port:
        answer = await _say(port, request_, GOOD)
    assert _status(answer) == 400
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_a_trailer_may_not_end_in_two_ways_either() -> None:
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    async with _serving() as port:
        assert await _say(port, chunked + b"\n" + GOOD) == b""
        good = await _say(
            port, chunked + b"\r\n" + GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )
    assert good.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", GOOD + b"GET / HTTP/1.1\r\n"])
async def test_a_head_that_does_not_come_closes_the_connection(
    monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setattr(connections, "HEADER_WITHIN", 0.05)
    async with _serving() as port:
        answer = await _say(port, head)
    assert (b"408" in answer) is bool(head)


@pytest.mark.parametrize("body", [b"", b"a"])
async def test_a_body_that_does_not_come_closes_the_connection(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr(connections, "BODY_EVERY", 0.05)
    async with _serving() as port:
        answer = await _say(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", body)
    assert _status(answer) == 408


async def test_an_answer_that_nobody_reads_closes_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "READ_WITHIN", 0.05)
    book = Book(100)
    async with _serving(book) as port:
        client = socket.create_connection(("127.0.0.1", port))
        client.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(client, GOOD.replace(b"/ ", b"/large ", 1))
        got = 0
        async with asyncio.timeout(PATIENCE):
            while not book.lost:  # noqa: ASYNC110 - whoever counts has no event to wait for
                await asyncio.sleep(0)
            with contextlib.suppress(ConnectionResetError):  # what the system had taken already comes first
                while some := await asyncio.get_running_loop().sock_recv(client, 1 << 20):
                    got += len(some)
        client.close()
        assert got < 32 << 20


async def test_who_comes_with_a_request_goes_before_who_says_nothing() -> None:
    async with _serving(Book(20)) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]
        for _, writer in silent[-10:]:
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
        for _ in range(5):
            answer = await _say(port, GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            assert _status(answer) == 200
        for _, writer in silent:
            writer.close()


async def test_where_all_are_at_work_a_newcomer_is_told_to_come_again() -> None:
    async with _serving(Book(2)) as port:
        busy = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for reader, writer in busy:
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            assert b"100" in await reader.readline()  # it is read
        answer = await _say(port)
        assert (_status(answer), b"Retry-After" in answer) == (503, True)
        for reader, writer in busy:
            await reader.readline()
            writer.write(b"hello")
            assert b"200" in await reader.readline()
            writer.close()


def test_strangers_cannot_fill_the_log() -> None:
    throttle = Throttle()
    records = [
        logging.LogRecord("uvicorn.error", logging.WARNING, "", 0, "Bad", (), None) for _ in range(500)
    ]
    assert sum(throttle.filter(record) for record in records) == LOGGED


HALF_A_HEADER = b"GET /v1/batches HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.timeout(180)
def test_a_crowd_with_half_a_header_neither_deafens_the_server_nor_fills_its_log(
    valkey_url: str, tmp_path: Path
) -> None:
    limit = (
        "import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024));"
        " os.execv(sys.argv[1], sys.argv[1:])"
    )
    with running_server(valkey_url, tmp_path, before=(sys.executable, "-c", limit)) as server:
        host, port = server.url.removeprefix("http://").split(":")
        crowd: list[socket.socket] = []
        try:
            for _ in range(1100):
                crowd.append(socket.create_connection((host, int(port)), timeout=PATIENCE))
                crowd[-1].sendall(HALF_A_HEADER)
            for _ in range(10):
                assert httpx.get(f"{server.url}/healthz", timeout=5).status_code == 200
                assert server.get("/v1/batches").status_code == 200
        finally:
            for each in crowd:
                each.close()
        assert server.log.stat().st_size < 100_000
