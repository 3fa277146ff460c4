"""
Packages of npm that write and read workbooks, and scripts of ours that call them.

They are installed once, beside the environment of the tests, at the versions named here. Where npm or its
registry is missing, the tests that want them are skipped and say so.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PACKAGES = ("exceljs@4.4.0", "xlsx@0.18.5")
INSTALL_SECONDS = 110
_FOLDER = Path(sys.prefix) / "npm"
_SCRIPTS = Path(__file__).parent / "node"


def run(script: str, given: object) -> Any:
    """
    What a script of `node/` makes of a value: JSON in, JSON out.

    Skips the test if there is no Node, or no package to be had.
    """
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        pytest.skip("Node and npm are not on this machine (Debian: apt-get install npm)")
    done = subprocess.run(
        [node, str(_SCRIPTS / script)],
        input=json.dumps(given),
        env={**os.environ, "NODE_PATH": str(_installed() / "node_modules")},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=INSTALL_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _installed() -> Path:
    """The folder that holds the packages."""
    wanted = " ".join(PACKAGES)
    made = _FOLDER / "made-from"
    _FOLDER.mkdir(exist_ok=True)
    with (_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes want them at once
        if not made.exists() or made.read_text() != wanted:
            command = ["npm", "install", "--prefix", str(_FOLDER), "--no-save", "--no-package-lock"]
            quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries", "1"]
            try:
                subprocess.run(
                    [*command, *quiet, *PACKAGES], check=True, capture_output=True, timeout=INSTALL_SECONDS
                )
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as exc:
                pytest.skip(f"npm cannot install {wanted}: {exc}")
            made.write_text(wanted)
    return _FOLDER
