"""The HTTP door as a real process on a free loopback port, and requests to it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from provisioning.ledger import Ledger
from provisioning.ledger.tokens import Scope
from tests.support import forking
from tests.support.repository import ROOT

PROVISION = str(Path(sys.executable).parent / "provision")
PATIENCE = 60.0
"""Seconds that a test waits for something that takes one or two, for busy machines."""


def environ(redis_url: str, **settings: str) -> dict[str, str]:
    """An environment with these settings of ours and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PROVISION_")}
    chosen = {f"PROVISION_{name}": value for name, value in settings.items()}
    return {**kept, "PYTHONPATH": str(ROOT), "PROVISION_REDIS_URL": redis_url, **chosen}


def provision(redis_url: str, *args: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs `provision` to its end."""
    env = environ(redis_url, **settings)
    done = forking.run(PROVISION, args, cwd=Path.cwd(), env=env, seconds=PATIENCE)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def make_token(redis_url: str, name: str, *scopes: str, all_owners: bool = False) -> str:
    """A new token, made by the ledger as `provision token create` has it made, without a process for it."""

    async def made() -> str:
        async with Ledger.at(redis_url) as ledger:
            _, token = await ledger.tokens.create(name, map(Scope, scopes), all_owners=all_owners)
        return token

    with ThreadPoolExecutor(1) as pool:  # where no loop runs, whatever the test's own thread does
        return pool.submit(asyncio.run, made()).result(PATIENCE)


Process = subprocess.Popen[bytes] | forking.Forked


class Server:
    """A running server, and what one may ask of it."""

    def __init__(self, process: Process, url: str, log: Path, token: str) -> None:
        self.process = process
        self.url = url
        self.log = log
        self.token = token
        self.client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE
        )

    def post(self, path: str, body: object = None, **headers: str) -> httpx.Response:
        """POSTs JSON, or bytes as they are."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, bytes):
            return self.client.post(path, content=body, headers=sent)
        return self.client.post(path, json=body, headers=sent)

    def get(self, path: str, **params: str | int | float) -> httpx.Response:
        return self.client.get(path, params=params)


@contextmanager
def running_server(
    redis_url: str,
    folder: Path,
    token: str = "",
    *,
    before: Sequence[str] = (),
    ready: bool = True,
    **settings: str,
) -> Iterator[Server]:
    """
    A server that answers, gone when the block ends; by default it has a token with every scope.

    Args:
        before: words before the command, such as a limit that it is to run under.
        ready: whether its Redis is there, so that its readiness is waited for.
    """
    if not token:
        token = make_token(redis_url, f"t{time.monotonic_ns()}", "submit", "read", "operate", "keys")
    log = folder / f"serve-{time.monotonic_ns()}.log"
    with log.open("wb") as out:
        process: Process
        command, env = [PROVISION, "serve", "--port", "0"], environ(redis_url, **settings)
        if before:
            process = subprocess.Popen(
                [*before, *command], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        else:
            with Path(os.devnull).open("rb") as nothing:
                streams = (nothing, out, out)
                process = forking.Forked(command, forking.SERVERS, cwd=folder, env=env, streams=streams)
    try:
        server = Server(process, _address(process, log), log, token)
        with server.client:
            deadline = time.monotonic() + PATIENCE
            while ready and server.client.get("/readyz").status_code != 200:
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.02)
            yield server
    finally:
        process.kill()
        process.wait()


def _address(process: Process, log: Path) -> str:
    deadline = time.monotonic() + PATIENCE
    while True:
        for line in log.read_text().splitlines():
            if line.startswith("serving at "):
                return line.removeprefix("serving at ").strip()
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start: {log.read_text()}")
        time.sleep(0.02)


def job(key: str, bot: int = 100_200_300, **more: Any) -> dict[str, Any]:
    """A good job."""
    return {"key": key, "bot": {"id": str(bot)}, "widget": {"properties": {"name": key}}, **more}


def csv_of(count: int, prefix: str = "k") -> bytes:
    """A CSV body of good rows."""
    rows = "".join(f"{prefix}{n},{100_200_300 + n},normal\n" for n in range(count))
    return f"key,bot.id,widget.properties.type\n{rows}".encode()


def problem(answer: httpx.Response) -> str:
    """The last part of a refusal's type."""
    assert answer.headers["content-type"] == "application/problem+json"
    body: Mapping[str, Any] = answer.json()
    assert body["status"] == answer.status_code
    return str(body["type"]).rpartition(":")[2]
