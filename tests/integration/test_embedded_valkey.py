"""Of one folder at most one embedded Valkey lives, whatever it or its starter is doing."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from provisioning.broker.queue import make_app
from provisioning.config.settings import Settings
from provisioning.embedded import valkey
from provisioning.embedded.valkey import _lives, _read, embedded_valkey, is_running
from provisioning.errors import LedgerUnavailableError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Every server that is started in this process."""
    servers: list[subprocess.Popen[bytes]] = []

    def start(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        servers.append(popen(*args, **kwargs))
        return servers[-1]

    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", start)
    return servers


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def pid_of(home: Path) -> int:
    server = _read(home)
    assert server is not None
    return int(server["pid"])


def test_a_frozen_server_is_not_started_twice(
    home: Path, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedded_valkey(home) as first:
        with frozen(pid_of(home)), monkeypatch.context() as impatient:
            impatient.setattr(valkey, "START_TIMEOUT", 0.5)
            with pytest.raises(LedgerUnavailableError) as caught, embedded_valkey(home):
                pass
        assert caught.value.hint
        with embedded_valkey(home) as second:
            assert second == first
    assert len(started) == 1


def test_a_server_that_wakes_up_in_time_is_used(
    home: Path, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = valkey._answers
    heard = []

    def ask_and_wake(server: dict[str, Any]) -> bool:
        heard.append(ask(server))
        os.kill(pid, signal.SIGCONT)
        return heard[-1]

    with embedded_valkey(home) as first:
        pid = pid_of(home)
        monkeypatch.setattr(valkey, "_answers", ask_and_wake)
        with frozen(pid), embedded_valkey(home) as second:
            assert second == first
    assert heard[:2] == [False, True]
    assert len(started) == 1


def test_commands_that_give_up_on_a_loading_server_leave_none_behind(
    home: Path, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valkey, "START_TIMEOUT", 0.1)
    monkeypatch.setattr(valkey, "_answers", lambda *_: False)
    for _ in range(2):
        with pytest.raises(LedgerUnavailableError, match="did not start"), embedded_valkey(home):
            pass
        assert not _lives(home)
    assert [server.returncode for server in started] == [-signal.SIGKILL] * 2


def test_an_interrupt_while_the_server_starts_ends_it(
    home: Path, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(server: dict[str, Any]) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(valkey, "_answers", interrupted)
    with pytest.raises(KeyboardInterrupt), embedded_valkey(home):
        pass
    assert [server.returncode for server in started] == [-signal.SIGKILL]
    assert not _lives(home)


def test_a_server_whose_starter_was_killed_at_once_is_found_used_and_stopped(
    home: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    killed = """
import os, signal, subprocess, sys
from pathlib import Path
from provisioning.embedded.valkey import embedded_valkey

def start_and_die(*args, **kwargs):
    popen(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)

popen, subprocess.Popen = subprocess.Popen, start_and_die
with embedded_valkey(Path(sys.argv[1])):
    pass
"""
    ended = subprocess.run([sys.executable, "-c", killed, str(home)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert _lives(home)
    started.clear()
    with embedded_valkey(home):
        assert is_running(home)
    assert started == []
    assert not _lives(home)


def test_a_killed_server_is_started_anew(home: Path, started: list[subprocess.Popen[bytes]]) -> None:
    with embedded_valkey(home):
        started[0].kill()
        started[0].wait()
        with embedded_valkey(home):
            assert is_running(home)
    assert len(started) == 2


def test_it_listens_at_no_port_and_its_owner_alone_reaches_it(home: Path) -> None:
    with embedded_valkey(home) as url, Redis.from_url(url) as redis:
        assert url == f"unix://{home / 'valkey.sock'}"
        assert redis.config_get("port") == {"port": "0"}
        assert stat.S_IMODE((home / "valkey.sock").stat().st_mode) == 0o600
        assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_whoever_listens_where_a_killed_server_did_is_sent_nothing(
    home: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    """A server of an earlier version, which listened at a port, has been killed and has left its file."""
    with socket.create_server(("127.0.0.1", 0)) as impostor:
        impostor.setblocking(False)
        home.mkdir()
        port = impostor.getsockname()[1]
        (home / "valkey.json").write_text(json.dumps({"port": port, "password": "p", "pid": 1}))
        assert not is_running(home)
        with embedded_valkey(home) as url:
            assert url.startswith("unix:")
        with pytest.raises(BlockingIOError):
            impostor.accept()


@pytest.mark.parametrize(
    "name", ["x" * 120, "clientes [2026] *", 'with "quotes" and spaces', "ñandú 日本", "back\\slash #?%"]
)
def test_a_folder_of_any_name_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime := tmp_path / "r"))
    runtime.mkdir()
    with embedded_valkey(tmp_path / name) as url:
        settings = Settings.from_env({"PROVISION_REDIS_URL": url})
        with Redis.from_url(settings.redis or "") as redis:
            assert redis.set("a", "b")
        with make_app(settings).connection_for_read() as connection:
            connection.ensure_connection(max_retries=1)
    assert list(runtime.iterdir()) == []


def test_a_file_system_without_sockets_will_do(
    home: Path, monkeypatch: pytest.MonkeyPatch, started: list[subprocess.Popen[bytes]]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    with monkeypatch.context() as without:
        without.setattr(socket.socket, "bind", refuse)
        with embedded_valkey(home) as url, Redis.from_url(url) as redis:
            assert redis.ping()
            made = Path(url.removeprefix("unix://")).parent
            assert stat.S_IMODE(made.stat().st_mode) == 0o700
            started[0].kill()
            started[0].wait()
    with embedded_valkey(home) as url:
        assert url == f"unix://{home / 'valkey.sock'}"
    assert not made.exists()


def test_the_last_to_leave_waits_until_the_server_is_gone(home: Path) -> None:
    with embedded_valkey(home):
        assert _lives(home)
    assert not _lives(home)
    assert not is_running(home)


def test_a_folder_that_cannot_be_locked_is_refused_with_a_hint(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(LedgerUnavailableError, match="No locks available") as caught, embedded_valkey(home):
        pass
    assert "PROVISION_HOME" in caught.value.hint
