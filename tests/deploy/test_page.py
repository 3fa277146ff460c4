"""What docs/how-to/deploy.md has people type does what the page says of it."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.deploy.files import EXAMPLES, SYSTEMD, services
from tests.support.repository import ROOT

PAGE = (ROOT / "docs" / "how-to" / "deploy.md").read_text(encoding="utf-8")
NOBODY = 65534


def _commands(heading: str) -> list[str]:
    """The blocks of shell commands below a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def _type(commands: str, folder: Path, **environ: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-euc", commands],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
def test_the_secrets_of_compose_are_for_its_containers_and_nobody_else(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    kept = tmp_path / "deploy" / "secrets"
    kept.mkdir(parents=True)
    (tmp_path / "credentials.toml").write_text("[default]\n", encoding="utf-8")
    _type(_commands("With Compose")[0], tmp_path, HOME=str(tmp_path))
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in kept.iterdir()}
    assert files == dict.fromkeys(("redis_password", "flower_auth", "credentials.toml"), 0o444)
    if os.geteuid() != 0:
        return  # only root may become somebody else
    for name in files:
        done = subprocess.run(
            ["cat", str(kept / name)],  # noqa: S607
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode != 0, f"{name} can be read by everybody"


def test_the_folder_of_the_demonstration_is_the_one_that_compose_mounts(tmp_path: Path) -> None:
    [made] = [block for block in _commands("With Compose") if "--profile demo run" in block]
    _type(made.splitlines()[0], tmp_path)
    [folder] = tmp_path.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777
    assert any(f"./{folder.name}}}:/outcomes" in volume for volume in services()["demo"]["volumes"])
    assert made.rstrip().endswith("--profile demo down")


def test_the_page_of_kubernetes_explains_every_secret_and_copies_what_there_is() -> None:
    [commands] = _commands("On Kubernetes")
    assert f"cp --recursive {EXAMPLES.relative_to(ROOT)} deploy/kubernetes/secrets\n" in commands
    for path in EXAMPLES.iterdir():
        assert f"| `{path.name}` |" in PAGE


def test_the_page_of_systemd_installs_every_unit_and_whatever_it_loads() -> None:
    commands = _commands("With systemd")[0]
    for path in SYSTEMD.iterdir():
        assert f"deploy/systemd/{path.name}" in commands
        loaded = re.findall(
            r"^LoadCredential=[\w.]+:/etc/provision/(\S+)", path.read_text(encoding="utf-8"), re.M
        )
        assert all(f" {name} " in commands for name in loaded)
