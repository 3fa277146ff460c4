"""Checks who may read and change files with secrets. The checks are pure; `look_at` collects the facts."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioning.checks.finding import Finding, ok, warning
from provisioning.config.settings import PREFIX, secret_settings
from provisioning.text import AnyText, Text

MOUNTS = Path("/run/secrets")
"""Folders of container secrets: the host chooses their owner, and their mode permits all users."""

ENVIRONMENT_FILES = (".env", "provision.env")
"""Names of settings files in the working directory, for compose and for `source`."""

OTHERS, GROUP = 0o007, 0o070


@dataclass(frozen=True, slots=True)
class SecretFile:
    """
    A file with a secret.

    Attributes:
        own: its permission bits.
        mode: those bits, reduced by the permissions of the folders above.
        foreign: it belongs neither to this user nor to root.
        mounted: it is below `MOUNTS`.
    """

    path: Path
    mode: int
    own: int = 0
    foreign: bool = False
    mounted: bool = False


def look_at(path: Path) -> SecretFile | None:
    """The facts about a file; None if it cannot be read."""
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


def openness(file: SecretFile) -> AnyText:
    """
    Who besides its owner may read or change a file; empty if no one.

    >>> str(openness(SecretFile(Path("key"), 0o640)))
    'its group'
    """
    if not file.mode & (OTHERS | GROUP):
        return ""
    return Text("everybody") if file.mode & stat.S_IROTH else Text("its group")


def secret_files(environ: Mapping[str, str], folder: Path) -> Iterator[tuple[str, SecretFile]]:
    """
    The files with secrets besides the credentials: their content, and the file.

    Args:
        environ: in which a secret setting may be `@` and a path.
        folder: the working directory, which may contain a settings file with secrets.
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
            yield ok(
                "settings.secret_file",
                Text("{path} is a mounted secret (mode {mode:04o})", path=file.path, mode=file.mode),
            )
        elif to:
            yield warning(
                "settings.secret_file",
                Text(
                    "{path} is open to {to} (mode {mode:04o}), and holds {what}",
                    path=file.path,
                    to=to,
                    mode=file.mode,
                    what=what,
                ),
                f"chmod 600 {file.path}",
            )
        else:
            yield ok("settings.secret_file", Text("{path} is private to its owner", path=file.path))


def _secrets_in(file: Path) -> list[str]:
    """The secret settings with a value in a settings file, except those that are a path."""
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
