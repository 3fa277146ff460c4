"""The commands of the Dockerfile, carried out in a folder: they install the whole program, and no more."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from tests.deploy.files import COMPOSE, DOCKERFILE, kustomization
from tests.support.repository import ROOT

UNREACHED = "after connection broken by"
"""What pip says of an index that does not answer; a package that is missing there is another thing."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_the_first_stage_installs_runs_by_itself(tmp_path: Path) -> None:
    context, target = tmp_path / "src", tmp_path / "opt"
    context.mkdir()
    for line in _stages()[0].splitlines():
        word, _, rest = line.partition(" ")
        if word == "COPY":
            for name in rest.split()[:-1]:
                _copy(ROOT / name, context / name)
        elif word == "RUN":
            command = rest.replace("/opt/provision", str(target))
            command = re.sub(r"\bpython -m", f"{sys.executable} -m", command)
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
    modules = list(target.glob("lib/python*/site-packages/provisioning/**/*.py"))
    assert modules
    assert all(Path(cache_from_source(str(path))).exists() for path in modules)


def test_the_standard_library_is_compiled_too() -> None:
    last = _stages()[-1]
    [command] = [line for line in last.splitlines() if "compileall" in line]
    assert "unchecked-hash" in command
    assert 'get_path("stdlib")' in command
    assert "PYTHONDONTWRITEBYTECODE=1" in last


def test_an_image_says_what_it_is() -> None:
    last = _stages()[-1]
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"ARG VERSION={version}\n" in last
    assert f"widget-provisioner:${{PROVISION_VERSION:-{version}}}" in COMPOSE.read_text(encoding="utf-8")
    assert [each["newTag"] for each in kustomization()["images"]] == [version]
    for label, value in {
        "version": "${VERSION}",
        "revision": "${REVISION}",
        "source": "${SOURCE}",
        "licenses": "MIT",
    }.items():
        assert f'org.opencontainers.image.{label}="{value}"' in last


def test_both_stages_have_the_one_base_that_may_be_pinned() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    assert re.search(
        r"^ARG PYTHON_IMAGE=python:3\.11-slim-bookworm(@sha256:[0-9a-f]{64})?$", text, re.MULTILINE
    )
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${PYTHON_IMAGE}"}


def _stages() -> list[str]:
    """The text of each stage, its continued lines joined."""
    return DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ").split("\nFROM ")[1:]


def _carry_out(command: str, context: Path) -> None:
    environ = {**os.environ, "PIP_RETRIES": "1", "PIP_NO_COMPILE": "1"}
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


REGISTRY = """#!/bin/sh
case $1 in
    pull) ;;
    image) for name; do :; done; echo "${name%:*}@sha256:$(printf 'a%.0s' $(seq 64))" ;;
esac
"""
"""An engine that has pulled whatever it is asked for."""


def test_images_are_pinned_by_digest_and_anew(tmp_path: Path) -> None:
    (tmp_path / "script").mkdir()
    engine = tmp_path / "engine"
    engine.write_text(REGISTRY, encoding="utf-8")
    engine.chmod(0o755)
    for path in (DOCKERFILE, COMPOSE, ROOT / "script" / "pin-images"):
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    for _ in range(2):  # an older digest gives way
        subprocess.run(
            [tmp_path / "script" / "pin-images"],
            env={**os.environ, "ENGINE": str(engine)},
            check=True,
            timeout=60,
        )
        digest = "@sha256:" + "a" * 64
        pinned = (tmp_path / "Dockerfile").read_text(encoding="utf-8")
        assert f"ARG PYTHON_IMAGE=python:3.11-slim-bookworm{digest}\n" in pinned
        compose = (tmp_path / "docker-compose.yml").read_text(encoding="utf-8")
        assert f"image: valkey/valkey:8.1-alpine{digest}  #" in compose
        assert pinned.count("@sha256") == compose.count("@sha256") == 1
