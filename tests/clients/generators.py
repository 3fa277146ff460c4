"""
The generators and the linter, each at the version that stands in a file of this folder.

They are installed beside the environment of the tests, not into it: openapi-python-client wants an older
Typer than the program. Where a registry cannot be reached, their tests are skipped and say so.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.npm import installed, node

HERE = Path(__file__).parent
SECONDS = 110


def run(*command: str, cwd: Path, **environ: str) -> str:
    """Runs a command to its end. Returns: what it printed. Asserts that it did not fail."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def node_tool(name: str) -> str:
    """A command of the packages in package.json."""
    return str(node_modules() / ".bin" / name)


def node_modules() -> Path:
    """The packages of package.json."""
    node(oldest=20)
    wanted = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    return (
        installed("npm-clients", [f"{name}@{version}" for name, version in wanted.items()]) / "node_modules"
    )


def python_generator() -> str:
    """The command `openapi-python-client`."""
    folder = Path(sys.prefix) / "python-clients"
    lock_file = HERE / "requirements.lock"
    wanted = f"{sys.version}\n{lock_file.read_text(encoding='utf-8')}"
    made = folder / "made-from"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes want it at once
        if not made.exists() or made.read_text(encoding="utf-8") != wanted:
            venv = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder / "venv")]
            pip = [sys.executable, "-m", "pip", "--python", str(folder / "venv" / "bin" / "python")]
            quiet = [
                "--quiet",
                "--disable-pip-version-check",
                "--require-hashes",
                "--no-deps",
                "--retries",
                "1",
            ]
            try:
                for command in (venv, [*pip, "install", *quiet, "--requirement", str(lock_file)]):
                    subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as exc:
                pytest.skip(f"pip cannot install openapi-python-client: {exc}")
            made.write_text(wanted, encoding="utf-8")
    return str(folder / "venv" / "bin" / "openapi-python-client")
