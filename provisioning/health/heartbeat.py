"""
Heartbeats: a small file a worker, written once a second by the very loops whose life it shows.

Celery's loop writes it and so does the engine's, each after it has noted its own sign; if one of them is
stuck, the other's writing says since when, and if both are, the file itself grows old. A probe reads the
file and asks neither Redis nor the broker.

The writer holds a lock (flock) on the file for as long as it lives, so the kernel knows a left-over from a
living worker, whatever its process id has been given to since.

Nothing but the standard library is imported here: a probe runs every few seconds and must cost nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioning.health.liveness import LEDGER_LIMIT, PROBE_LIMIT, Liveness, diagnose

FOLDER = "heartbeats"
"""Name of the folder in PROVISION_HOME, unless PROVISION_HEARTBEATS names another."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """
    What one worker last wrote.

    Attributes:
        signs: by the clock of `time.monotonic`, which all processes of a host share.
        at: Unix seconds of the writing.
        credentials: how many it has loaded.
        stopping: it takes no new jobs.
    """

    worker: str
    pid: int
    at: float
    signs: Liveness
    credentials: int
    stopping: bool

    def stuck(self, now: float, limit: float = PROBE_LIMIT) -> str | None:
        """Why it is not alive, as a sentence; None if it is. `now` is monotonic seconds."""
        return diagnose(self.signs, now, limit)

    def unready(self, now: float, limit: float = PROBE_LIMIT) -> str | None:
        """
        Why it cannot take work, as a sentence; None if it can.

        A pause or a brake is no reason: it holds jobs, not workers, and each goes on when it is lifted.
        """
        if trouble := self.stuck(now, limit):
            return trouble
        if self.stopping:
            return "it is stopping"
        if not self.signs.looked:
            return "Redis has not answered it yet"
        if now - self.signs.ledger > LEDGER_LIMIT:
            return f"Redis has not answered it for {now - self.signs.ledger:.0f} s"
        if not self.credentials:
            return (
                "it has no credentials; set PROVISION_CLIENT_ID or PROVISION_CREDENTIALS_FILE and restart it"
            )
        return None


def folder_of(environ: Mapping[str, str]) -> Path:
    """As `Settings.heartbeats_folder`, without the cost of reading every setting."""
    given = {
        name: value
        for name in ("HEARTBEATS", "HOME")
        if (value := environ.get(f"PROVISION_{name}", "")).strip()
    }
    if "HEARTBEATS" in given:
        return Path(given["HEARTBEATS"])
    return Path(given.get("HOME", ".provision")) / FOLDER


def read_heartbeats(folder: Path) -> list[Heartbeat]:
    """The heartbeats of the workers that live, by name; left-overs of dead ones are passed over."""
    paths = sorted(folder.glob("*.json"))
    return [beat for path in paths if (beat := read_heartbeat(path)) is not None]


def read_heartbeat(path: Path) -> Heartbeat | None:
    """
    One heartbeat; None if its worker is dead or the file is none of ours.

    Raises: OSError if it may not be read.
    """
    with _opened(path) as (file, left_over):
        if file is None or left_over:
            return None
        try:
            return _decoded(json.loads(os.read(file, 65536)))
        except (ValueError, KeyError, TypeError):
            return None


def is_left_over(path: Path) -> bool:
    """Whether a heartbeat is that of a dead worker."""
    with _opened(path) as (_, left_over):
        return left_over


def _decoded(beat: Any) -> Heartbeat:
    return Heartbeat(
        worker=str(beat["worker"]),
        pid=int(beat["pid"]),
        at=float(beat["at"]),
        signs=Liveness(**beat["signs"]),
        credentials=int(beat["credentials"]),
        stopping=bool(beat["stopping"]),
    )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[int | None, bool]]:
    """
    A descriptor of the newest file at `path`, None if there is none, and whether its writer is dead.

    A writer lets go of a file once it has put a newer one there: such a file is not left over but late.
    """
    while True:
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            yield None, False
            return
        try:
            free = _is_free(file)
            if free and not _is_at(file, path):
                continue
            yield file, free
            return
        finally:
            os.close(file)


def _is_at(file: int, path: Path) -> bool:
    try:
        return path.stat().st_ino == os.fstat(file).st_ino
    except FileNotFoundError:
        return False


def _is_free(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return True
