"""`script/try-compose` says why where it cannot run; where it can, it is a test of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.repository import ROOT

SCRIPT = ROOT / "script" / "try-compose"
CANNOT = 77

NO_ENGINE = "#!/bin/sh\nexit 1\n"
"""A docker command that reaches no engine."""


def _try(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs it with no other programs than those of a folder, and with a shell."""
    (folder / "sh").symlink_to("/bin/sh")
    (folder / "python3").symlink_to(shutil.which("python3") or "/usr/bin/python3")
    environ = {"PATH": str(folder), "HOME": str(folder), "DOCKER_HOST": "unix:///nowhere"}
    return subprocess.run(
        [ROOT / ".venv" / "bin" / "python", SCRIPT, *options],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _program(folder: Path, name: str) -> None:
    (folder / name).write_text(NO_ENGINE, encoding="utf-8")
    (folder / name).chmod(0o755)


def test_it_says_that_there_is_no_docker(tmp_path: Path) -> None:
    done = _try(tmp_path)
    assert done.returncode == CANNOT
    assert done.stderr.startswith("skipped: there is no docker command (")


@pytest.mark.parametrize("options", [(), ("--ready-only",)], ids=["", "--ready-only"])
def test_it_says_that_no_engine_answers(tmp_path: Path, options: tuple[str, ...]) -> None:
    _program(tmp_path, "docker")
    done = _try(tmp_path, *options)
    assert done.returncode == CANNOT
    assert done.stderr.startswith("skipped: no container engine answers")


@pytest.mark.skipif(os.geteuid() != 0, reason="another message for whoever is not root")
def test_it_says_that_its_own_engine_ended(tmp_path: Path) -> None:
    _program(tmp_path, "docker")
    _program(tmp_path, "dockerd")
    done = _try(tmp_path)
    assert done.returncode == CANNOT
    assert done.stderr.startswith("skipped: dockerd ended at once")
