"""
Heartbeats: a small file per worker, written once a second by the loops whose liveness it shows.

Celery's loop and the engine's loop both write it, each after it has recorded its own time; if one is stuck,
the file from the other shows since when, and if both are, the file itself becomes old. A probe reads the file
and contacts neither Redis nor the broker.

The writer holds a lock (flock) on the file while it runs, so that the kernel distinguishes the file of a live
worker from a stale one, even if its process id was reused.

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
    The last heartbeat of one worker.

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
        """The reason why it is not alive; None if it is. `now` is monotonic seconds."""
        return diagnose(self.signs, now, limit)

    def unready(self, now: float, limit: float = PROBE_LIMIT) -> str | None:
        """
        The reason why it cannot take work; None if it can.

        A pause or a brake is no reason: it holds jobs, not workers.
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
    """The heartbeats of the live workers, by name; files of dead ones are ignored."""
    paths = sorted(folder.glob("*.json"))
    return [beat for path in paths if (beat := read_heartbeat(path)) is not None]


def read_heartbeat(path: Path) -> Heartbeat | None:
    """
    One heartbeat; None if its worker is dead or the file is no heartbeat.

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

    A writer unlocks a file once it has replaced it: such a file is not stale, only outdated.
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
