"""The sandbox as a real process on a free loopback port, for tests of every room."""

from __future__ import annotations

import base64
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from tests.support.repository import ROOT

READY_SECONDS = 20.0
"""Far more than a start takes (0.3 s), for machines that are busy with other tests."""

CREATE = "/v1/widget/create"


class Reply:
    """One HTTP answer, read to its end."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        return json.loads(self.body)


class SandboxProcess:
    """A running sandbox: its address, and what one may ask of it."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 0

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One request on a connection of its own; `http.client`'s errors pass when the answer is spoilt."""
        connection = HTTPConnection(*self.address, timeout=READY_SECONDS)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def create(self, body: object, pair: tuple[str, str] = ("sandbox", "sandbox")) -> Reply:
        """POST a body with good manners and this client id and secret."""
        headers = {"Content-Type": "application/json", "Authorization": basic(*pair)}
        return self.request("POST", CREATE, json.dumps(body).encode(), headers)

    def stats(self) -> dict[str, Any]:
        return self._get("/_sandbox/stats")

    def widgets(self) -> dict[str, Any]:
        return self._get("/_sandbox/widgets")

    def arrivals(self, raw: bool = False) -> dict[str, Any]:
        return self._get("/_sandbox/arrivals" + ("?raw=1" if raw else ""))

    def last(self) -> dict[str, Any]:
        return self._get("/_sandbox/last")

    def post_faults(self, faults: Mapping[str, object]) -> dict[str, Any]:
        """Replace the faults in force; returns what is in force now."""
        return self._post("/_sandbox/faults", faults)

    def reset(self) -> None:
        self._post("/_sandbox/reset", {})

    def _get(self, path: str) -> dict[str, Any]:
        return self._expect_object(self.request("GET", path))

    def _post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        return self._expect_object(self.request("POST", path, json.dumps(body).encode()))

    @staticmethod
    def _expect_object(reply: Reply) -> dict[str, Any]:
        if reply.status != 200:
            raise ValueError(f"the sandbox answered {reply.status}: {reply.body.decode(errors='replace')}")
        found = reply.json()
        assert isinstance(found, dict)
        return found


@contextmanager
def running_sandbox(*args: str) -> Iterator[SandboxProcess]:
    """
    A sandbox that answers, gone when the block ends.

    Args:
        args: options as on its command line; the port is chosen freely unless one of them names it.
    """
    port = () if "--port" in args else ("--port", "0")
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", *port, *args],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield SandboxProcess(process, _url_of(_first_line(process)))
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def basic(client: str, secret: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()


def _first_line(process: subprocess.Popen[str]) -> str:
    """The ready line; a process that dies or stays silent is an error, not a hang."""
    assert process.stdout is not None
    deadline = time.monotonic() + READY_SECONDS
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise TimeoutError(f"the sandbox was not ready within {READY_SECONDS:g} s")
            piece = os.read(process.stdout.fileno(), 4096)
            if not piece:
                raise RuntimeError(f"the sandbox left with code {process.wait()} before it was ready")
            line += piece
    return line.decode()


def _url_of(line: str) -> str:
    """The URL in `sandbox ready at URL (…)`."""
    return line.removeprefix("sandbox ready at ").split(" ", 1)[0]
