"""Packages of npm that write and read workbooks, and scripts of ours that call them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.support.npm import INSTALL_SECONDS, installed, node

PACKAGES = ["exceljs@4.4.0", "xlsx@0.18.5"]
_SCRIPTS = Path(__file__).parent / "node"


def run(script: str, given: object) -> Any:
    """
    What a script of `node/` makes of a value: JSON in, JSON out.

    Skips the test if there is no Node, or no package to be had.
    """
    done = subprocess.run(
        [node(), str(_SCRIPTS / script)],
        input=json.dumps(given),
        env={**os.environ, "NODE_PATH": str(installed("npm", PACKAGES) / "node_modules")},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=INSTALL_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
