"""
Packages of npm for tests, installed once beside the environment of the tests.

Where Node, npm or its registry is missing, the tests that want them are skipped and say so.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

INSTALL_SECONDS = 110

_missing: dict[str, str] = {}
"""What npm could not install, with the reason: it is not tried for every test."""


def node(oldest: int = 0) -> str:
    """The command `node`. Skips the test if there is none, or only one that is older than a version."""
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        pytest.skip("Node and npm are not on this machine (Debian: apt-get install npm)")
    if oldest:
        done = subprocess.run([found, "--version"], capture_output=True, text=True, check=True, timeout=20)
        if int(done.stdout.strip().lstrip("v").partition(".")[0]) < oldest:
            pytest.skip(f"Node {oldest} or newer is needed; here is {done.stdout.strip()}")
    return found


def installed(name: str, packages: list[str]) -> Path:
    """
    The folder `name`, which holds these packages in `node_modules`.

    Skips the test if npm cannot install them.
    """
    wanted = " ".join(packages)
    if wanted in _missing:
        pytest.skip(_missing[wanted])
    folder = Path(sys.prefix) / name
    made = folder / "made-from"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes want them at once
        if not made.exists() or made.read_text() != wanted:
            command = ["npm", "install", "--prefix", str(folder), "--no-save", "--no-package-lock"]
            quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries", "1"]
            quiet += ["--fetch-retry-mintimeout", "1000"]
            try:
                subprocess.run(
                    [*command, *quiet, *packages], check=True, capture_output=True, timeout=INSTALL_SECONDS
                )
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as exc:
                _missing[wanted] = f"npm cannot install {wanted}: {exc}"
                pytest.skip(_missing[wanted])
            made.write_text(wanted)
    return folder
