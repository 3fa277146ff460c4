"""
Environments of the peers, one for each file of `bench/requirements/`, so that the program's own stays clean.

The program itself runs as its users have it: from `.venv`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
REQUIREMENTS: Final = ROOT / "bench" / "requirements"
PEERS_HOME: Final = ROOT / ".venv-bench"


def script_of(environment: str, name: str) -> str:
    """A program of an environment; of the program's own if the name is empty."""
    return str(_bin(environment) / name)


def python_of(environment: str) -> str:
    return str(_bin(environment) / "python")


def names() -> list[str]:
    """All environments of peers."""
    return sorted(lock.stem for lock in REQUIREMENTS.glob("*.lock"))


def unavailable_reason(environment: str) -> str | None:
    """What is missing for it; None if nothing is."""
    if not environment or _made_from(environment) == _lock(environment):
        return None
    return f"the environment {PEERS_HOME.name}/{environment} is missing or old; script/bench makes it"


def ensure(environment: str) -> None:
    """Makes an environment from its lock, by hash; quick when nothing has changed."""
    if unavailable_reason(environment) is None:
        return
    home = PEERS_HOME / environment
    print(f"setting up {home.relative_to(ROOT)} …", file=sys.stderr)
    lock = REQUIREMENTS / f"{environment}.lock"
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--require-hashes", "--no-deps", "-r", str(lock)], check=True)
    (home / ".gitignore").write_text("*\n")
    (home / "made-from").write_text(_lock(environment))


def installed(environment: str, package: str) -> str:
    """Version of a package in the lock, for the record."""
    for line in _lock(environment).splitlines():
        name, _, version = line.partition("==")
        if name == package:
            return version.split()[0]
    raise KeyError(package)


def _bin(environment: str) -> Path:
    return PEERS_HOME / environment / "bin" if environment else ROOT / ".venv" / "bin"


def _lock(environment: str) -> str:
    return (REQUIREMENTS / f"{environment}.lock").read_text(encoding="utf-8")


def _made_from(environment: str) -> str | None:
    made_from = PEERS_HOME / environment / "made-from"
    return made_from.read_text(encoding="utf-8") if made_from.exists() else None
