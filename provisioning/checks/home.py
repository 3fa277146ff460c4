"""Checks that the embedded Valkey's folder has room, and is private to its owner. `judge_home` is pure."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioning.checks.finding import Finding, fatal, ok, warning
from provisioning.text import Text

LITTLE, HARDLY_ANY = 2**30, 100 * 2**20
"""Bytes free: a million jobs take about the first; the second does not last for a rewrite of their file."""


@dataclass(frozen=True, slots=True)
class HomeFacts:
    """A folder: its permission bits, and the free bytes of its file system."""

    folder: Path
    mode: int
    free: int


def gather_home(folder: Path) -> HomeFacts:
    """Raises: OSError if there is no such folder."""
    return HomeFacts(folder, stat.S_IMODE(folder.stat().st_mode), shutil.disk_usage(folder).free)


def holds_secrets(folder: Path) -> bool:
    """Whether a folder has the data of an embedded Valkey, or what Flower has seen."""
    return any((folder / name).exists() for name in ("appendonlydir", "flower"))


def judge_home(facts: HomeFacts, *, embedded: bool = True) -> Iterator[Finding]:
    """
    All findings on it.

    Args:
        embedded: its Valkey is in use; if not, only the folder's permissions matter.
    """
    if facts.mode & 0o077:
        yield warning(
            "home.permissions",
            Text(
                "{folder} is open to others (mode {mode:04o}), and contains widget keys",
                folder=facts.folder,
                mode=facts.mode,
            ),
            f"chmod 700 {facts.folder}",
        )
    else:
        yield ok("home.permissions", Text("{folder} is private to its owner", folder=facts.folder))
    if not embedded:
        return
    message = Text("{size:.1f} GiB free for the embedded Valkey", size=facts.free / 2**30)
    room = Text("free some space, or set PROVISION_HOME to a folder on another disk")
    if facts.free < HARDLY_ANY:
        yield fatal("home.space", message, room)
    elif facts.free < LITTLE:
        yield warning("home.space", message, room)
    else:
        yield ok("home.space", message)
