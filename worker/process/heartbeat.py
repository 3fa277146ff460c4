"""The heartbeat that this process writes for `provision health`: see `provisioning.health.heartbeat`."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
from dataclasses import asdict
from pathlib import Path

from provisioning.health.heartbeat import is_left_over
from provisioning.health.liveness import Liveness
from provisioning.observability.log_events import HEARTBEAT_FAILED
from provisioning.observability.logs import log_event


class HeartbeatFile:
    """
    The heartbeat of this process, kept in `folder`.

    An error in writing the folder is logged once, and the work continues.
    """

    def __init__(self, folder: Path, worker: str, signs: Liveness, *, credentials: int = 0) -> None:
        safe = "".join(char if char.isalnum() or char in "@.-_" else "_" for char in worker)
        self.path = folder / f"{safe}.json"
        self._worker = worker
        self._signs = signs
        self._credentials = credentials
        self._stopping = False
        self._held: int | None = None  # the descriptor that holds the lock
        self._writing = threading.Lock()
        self._failed = False

    def open(self) -> None:
        """Removes the files of dead workers, and writes for the first time."""
        try:
            self.path.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.parent.mkdir(exist_ok=True, mode=0o700)
            for path in self.path.parent.glob("*.json"):
                if is_left_over(path):
                    path.unlink(missing_ok=True)
        except OSError as error:
            self._log(error)
        self.write()

    def write(self) -> None:
        """Writes the current signs of life, whole or not at all. Never waits for another thread."""
        if not self._writing.acquire(blocking=False):
            return  # the other loop is writing the same
        try:
            self._replace()
        except OSError as error:
            self._log(error)
        finally:
            self._writing.release()

    def stop(self) -> None:
        """Marks the worker as stopping: it is not ready any more."""
        self._stopping = True
        self.write()

    def close(self) -> None:
        """Deletes the file: the worker has stopped normally."""
        with self._writing, contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
            if self._held is not None:
                os.close(self._held)
                self._held = None

    def _replace(self) -> None:
        beat = {
            "worker": self._worker,
            "pid": os.getpid(),
            "at": round(time.time(), 3),
            "signs": asdict(self._signs),
            "credentials": self._credentials,
            "stopping": self._stopping,
        }
        fresh = self.path.with_suffix(f".{os.getpid()}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, json.dumps(beat).encode())
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # before the file is visible: no other process has it
            fresh.replace(self.path)
        except OSError:
            os.close(descriptor)
            raise
        self._held, before = descriptor, self._held
        if before is not None:
            os.close(before)

    def _log(self, error: OSError) -> None:
        if not self._failed:
            self._failed = True
            log_event(
                HEARTBEAT_FAILED,
                error=error,
                advice="set PROVISION_HEARTBEATS to a folder that the worker can write",
            )
