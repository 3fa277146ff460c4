"""Who may read and change the files that hold secrets. What judges is pure; `look_at` gathers."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioning.checks.finding import Finding, ok, warning
from provisioning.config.settings import PREFIX, secret_settings

MOUNTS = Path("/run/secrets")
"""Where containers have their secrets: owned by whom the host likes, with a mode that suits all users."""

ENVIRONMENT_FILES = (".env", "provision.env")
"""Files of settings that people keep where they work, for compose and for `source`."""

OTHERS, GROUP = 0o007, 0o070


@dataclass(frozen=True, slots=True)
class SecretFile:
    """
    A file with a secret.

    Attributes:
        own: its permission bits.
        mode: those bits, without what a folder above it takes away.
        foreign: it belongs neither to us nor to root.
        mounted: it lies below `MOUNTS`.
    """

    path: Path
    mode: int
    own: int = 0
    foreign: bool = False
    mounted: bool = False


def look_at(path: Path) -> SecretFile | None:
    """What can be seen of a file; None if it cannot be looked at."""
    try:
        whole = path.resolve()
        found = whole.stat()
        own = mode = stat.S_IMODE(found.st_mode)
        for folder in whole.parents:
            above = folder.stat().st_mode
            if not above & stat.S_IXOTH:
                mode &= ~OTHERS
                if not above & stat.S_IXGRP:
                    mode &= ~GROUP
    except OSError:
        return None
    foreign = found.st_uid not in (0, os.geteuid())
    return SecretFile(path, mode, own, foreign, whole.is_relative_to(MOUNTS))


def openness(file: SecretFile) -> str:
    """
    Whom a file is open to beside its owner; empty if to nobody.

    >>> openness(SecretFile(Path("key"), 0o640))
    'its group'
    """
    if not file.mode & (OTHERS | GROUP):
        return ""
    return "everybody" if file.mode & stat.S_IROTH else "its group"


def secret_files(environ: Mapping[str, str], folder: Path) -> Iterator[tuple[str, SecretFile]]:
    """
    The files that hold secrets beside the credentials: what they hold, and the file.

    Args:
        environ: in which a secret setting may be `@` and a path.
        folder: where people work, which may hold a file of settings with secrets in it.
    """
    for name in secret_settings():
        value = environ.get(f"{PREFIX}{name.upper()}", "").strip()
        if value.startswith("@") and (file := look_at(Path(value[1:]))):
            yield f"{PREFIX}{name.upper()}", file
    for name in ENVIRONMENT_FILES:
        held = _secrets_in(folder / name)
        if held and (file := look_at(folder / name)):
            yield ", ".join(held), file


def judge_secret_files(files: Iterator[tuple[str, SecretFile]]) -> Iterator[Finding]:
    """A finding for each file."""
    for what, file in files:
        to = openness(file)
        if file.mounted and not file.mode & stat.S_IWOTH:
            yield ok("settings.secret_file", f"{file.path} is a mounted secret (mode {file.mode:04o})")
        elif to:
            yield warning(
                "settings.secret_file",
                f"{file.path} is open to {to} (mode {file.mode:04o}), and holds {what}",
                f"chmod 600 {file.path}",
            )
        else:
            yield ok("settings.secret_file", f"{file.path} is private to its owner")


def _secrets_in(file: Path) -> list[str]:
    """The secret settings that a file of settings gives a value to, other than a path."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    held = []
    for line in lines:
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        given = value.strip().strip("'\"")
        if equals and given and not given.startswith("@") and name.strip() in _NAMES:
            held.append(name.strip())
    return held


_NAMES = frozenset(f"{PREFIX}{name.upper()}" for name in secret_settings())
