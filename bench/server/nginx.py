"""An nginx of our own on a free loopback port, for one run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from string import Template
from typing import Final

from bench.server.post_log import Post, read_posts

HERE: Final = Path(__file__).resolve().parent
READY_SECONDS: Final = 10.0
LOG: Final = "posts.log"
MODULES: Final = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules")


class NoServerError(RuntimeError):
    """There is no nginx, or it does not start; the message says what to do."""


@dataclass(frozen=True)
class Over:
    """
    A weather over a run's rows: what becomes of their POSTs by a rule of `weather.lua`.

    Attributes:
        weather: the rule; none if it is empty.
        first_bot: of the batch; what is below belongs to the warm-up and is answered well.
        rows: of the batch.
        leaves_after: seconds after the batch's first POST at which the server goes: it answers what it has in
            hand and refuses connections.
        stays_away: seconds until it is back, and answers well.
    """

    weather: str = ""
    first_bot: int = 0
    rows: int = 0
    leaves_after: float = 0.0
    stays_away: float = 0.0


@dataclass(frozen=True)
class Server:
    """A running nginx; its POSTs can be read once the block has ended."""

    url: str
    pid: int
    log: Path

    def posts(self) -> list[Post]:
        """Every POST it answered, in the order of the answers."""
        return read_posts(self.log)


def unavailable_reason() -> str | None:
    """What is missing for a server; None if nothing is."""
    if _nginx() is None or _modules() is None:
        return (
            "nginx with its Lua module is missing; Debian: apt-get install nginx-core libnginx-mod-http-lua"
        )
    return None


@contextlib.contextmanager
def running(folder: Path, latency: float, faults: float, over: Over | None = None) -> Iterator[Server]:
    """
    A server that answers, gone when the block ends.

    Args:
        folder: an empty one, for its files; the log lies there.
        latency: seconds from a request to its answer.
        faults: share of the POSTs that are answered with a 500.
        over: a weather in place of faults.

    Raises: NoServerError.
    """
    port, over, ended = free_port(), over or Over(), threading.Event()
    begun = [_start(folder, port, latency, faults, over)]

    def come_back() -> None:
        begun[0].wait()
        if not ended.wait(over.stays_away):
            begun.append(_start(folder, port, latency, 0.0, replace(over, weather="clear", leaves_after=0.0)))

    coming_back = threading.Thread(target=come_back)
    if over.leaves_after:
        coming_back.start()
    try:
        yield Server(f"http://127.0.0.1:{port}", begun[0].pid, folder / LOG)
    finally:
        ended.set()
        _stop(begun[0])
        if over.leaves_after:
            coming_back.join()
        _stop(begun[-1])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(folder: Path, port: int, latency: float, faults: float, over: Over) -> subprocess.Popen[bytes]:
    nginx, modules = _nginx(), _modules()
    if nginx is None or modules is None:
        raise NoServerError(unavailable_reason())
    text = Template((HERE / "nginx.conf").read_text(encoding="utf-8")).substitute(
        modules=modules,
        folder=folder,
        log=folder / LOG,
        port=port,
        latency=latency,
        faults=round(1000 * faults),
        # Only a worker below a master lets go of its sockets before it has answered all.
        master="on" if over.leaves_after else "off",
        **asdict(over),
    )
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    for script in HERE.glob("*.lua"):
        shutil.copy(script, folder)
    command = [nginx, "-p", f"{folder}/", "-c", str(folder / "nginx.conf"), "-e", "error.log"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        _until_open(port, process, folder / "error.log")
    except NoServerError:
        _stop(process)
        raise
    return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    # Gracefully, so that the log's buffer is written; requests that still sleep are waited for.
    process.send_signal(signal.SIGQUIT)
    try:
        process.wait(READY_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _nginx() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _modules() -> str | None:
    return next((path for path in MODULES if Path(path, "ngx_http_lua_module.so").exists()), None)


def _until_open(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise NoServerError(f"nginx did not start: {log.read_text() if log.exists() else 'it left no log'}")
