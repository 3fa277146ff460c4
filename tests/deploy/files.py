"""The files of a deployment as values, and the settings that they name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tests.support.repository import ROOT

COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"
KUBERNETES = ROOT / "deploy" / "kubernetes"
SYSTEMD = ROOT / "deploy" / "systemd"

ALL = (
    COMPOSE,
    DOCKERFILE,
    *sorted(KUBERNETES.glob("*.yaml")),
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
    """Every object under deploy/kubernetes but the kustomization."""
    paths = [path for path in sorted(KUBERNETES.glob("*.yaml")) if path.name != "kustomization.yaml"]
    return [each for path in paths for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


def interpolated(text: str) -> str:
    """What compose makes of a value: `${NAME:-default}` without a NAME, `$$` for a dollar."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text).replace("$$", "$")


def unit(path: Path) -> list[tuple[str, str]]:
    """The settings of a unit file, in order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return [(name, value) for name, _, value in pairs]
