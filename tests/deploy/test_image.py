"""The commands of the Dockerfile, carried out in a folder: they install the whole program, and no more."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.files import DOCKERFILE
from tests.support.repository import ROOT

UNREACHED = "after connection broken by"
"""What pip says of an index that does not answer; a package that is missing there is another thing."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_the_first_stage_installs_runs_by_itself(tmp_path: Path) -> None:
    context, target = tmp_path / "src", tmp_path / "opt"
    context.mkdir()
    first = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ").split("\nFROM ")[1]
    for line in first.splitlines():
        word, _, rest = line.partition(" ")
        if word == "COPY":
            for name in rest.split()[:-1]:
                _copy(ROOT / name, context / name)
        elif word == "RUN":
            command = rest.replace("/opt/provision", str(target))
            command = re.sub(r"^python ", f"{sys.executable} ", command)
            _carry_out(command, context)
    program = target / "bin" / "provision"
    empty = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    shown = subprocess.run(
        [program, "--help"], env=empty, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "worker" in shown.stdout
    ready = "import worker.process.app, console.cli.flower, sandbox.app, api.server; import setuptools"
    settings = {**empty, "PROVISION_REDIS_URL": "redis://127.0.0.1:1/0"}
    done = subprocess.run(
        [target / "bin" / "python", "-c", ready],
        env=settings,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.rstrip().endswith("No module named 'setuptools'")  # all else is there
    assert not (target / "bin" / "pip").exists()
    assert not (target / "bin" / "pytest").exists()


def _carry_out(command: str, context: Path) -> None:
    # Not compiled: of thousands of modules a few hundred are imported here.
    environ = {**os.environ, "PIP_RETRIES": "1", "PIP_NO_COMPILE": "0"}
    done = subprocess.run(
        ["/bin/sh", "-euc", command], cwd=context, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode and UNREACHED in done.stderr:
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)
