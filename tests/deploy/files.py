"""The files of a deployment as values, and the settings that they name."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.support.repository import ROOT

COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"
KUBERNETES = ROOT / "deploy" / "kubernetes"
SYSTEMD = ROOT / "deploy" / "systemd"
PROMETHEUS = ROOT / "deploy" / "prometheus"
EXAMPLES = KUBERNETES / "secrets.example"
COMPONENTS = ("scaling", "monitoring")

ALL = (
    COMPOSE,
    DOCKERFILE,
    *sorted(KUBERNETES.glob("**/*.yaml")),
    KUBERNETES / "settings.env",
    *sorted(SYSTEMD.glob("*.service")),
    SYSTEMD / "provision.env",
)


def services() -> dict[str, dict[str, Any]]:
    """The services of docker-compose.yml, anchors and merges resolved."""
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return loaded


def manifests() -> list[dict[str, Any]]:
    """Every object under deploy/kubernetes, components too, as it is written there."""
    paths = [path for path in sorted(KUBERNETES.glob("**/*.yaml")) if path.name != "kustomization.yaml"]
    return [each for path in paths for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


def kustomization(folder: Path = KUBERNETES) -> dict[str, Any]:
    """What kustomize is told in a folder."""
    loaded: dict[str, Any] = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    return loaded


def rendered(copy: Path, *components: str) -> list[dict[str, Any]]:
    """
    Every object that `kubectl kustomize` makes of a copy of deploy/kubernetes.

    Args:
        components: those of `COMPONENTS` that are turned on.
    """
    shutil.copytree(KUBERNETES, copy, ignore=shutil.ignore_patterns("secrets"))
    shutil.copytree(EXAMPLES, copy / "secrets")
    told = {**kustomization(copy), "components": list(components)}
    (copy / "kustomization.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
    return kustomized(copy)


def kustomized(folder: Path) -> list[dict[str, Any]]:
    """Every object that `kubectl kustomize` makes of a folder."""
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def renders_kustomize() -> bool:
    """Whether there is a kubectl that knows components (1.21, April 2021)."""
    if (kubectl := shutil.which("kubectl")) is None:
        return False
    told = subprocess.run(
        [kubectl, "version", "--client", "--output=yaml"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    found = re.search(r'minor: "?(\d+)', told.stdout)
    return found is not None and int(found[1]) >= 21


def interpolated(text: str) -> str:
    """What compose makes of a value: `${NAME:-default}` without a NAME, `$$` for a dollar."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text).replace("$$", "$")


def unit(path: Path) -> list[tuple[str, str]]:
    """The settings of a unit file, in order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return [(name, value) for name, _, value in pairs]
