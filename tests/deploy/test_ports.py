"""Whoever is asked for metrics serves them at that port, in every way to deploy."""

from __future__ import annotations

from typing import Any

import yaml

from tests.deploy.files import PROMETHEUS, SYSTEMD, kustomization, manifests, services, unit

SERVER, WORKER = "provision-server", "provision-worker"
"""The jobs that alerts and dashboard name."""


def _jobs(name: str) -> dict[str, dict[str, Any]]:
    text = (PROMETHEUS / name).read_text(encoding="utf-8")
    return {each["job_name"]: each for each in yaml.safe_load(text)["scrape_configs"]}


def _targets(job: dict[str, Any]) -> list[str]:
    return [target for each in job["static_configs"] for target in each["targets"]]


def _option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def _unit(name: str, instance: str = "") -> tuple[list[str], dict[str, str]]:
    """Command and environment of a unit."""
    settings = unit(SYSTEMD / f"{name}.service")
    command = dict(settings)["ExecStart"].split()
    environment = dict(value.split("=", 1) for key, value in settings if key == "Environment")
    return command, {key: value.replace("%i", instance) for key, value in environment.items()}


def _objects(kind: str, name: str) -> dict[str, Any]:
    [found] = [each for each in manifests() if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def test_with_systemd_prometheus_asks_the_ports_of_the_units() -> None:
    jobs = _jobs("prometheus.yml")
    api, _ = _unit("provision-api")
    assert _targets(jobs[SERVER]) == [f"127.0.0.1:{_option(api, '--port')}"]
    ports = [_unit("provision-worker@", number)[1]["PROVISION_METRICS_PORT"] for number in ("1", "2")]
    assert _targets(jobs[WORKER]) == [f"127.0.0.1:{port}" for port in ports]
    assert ports == ["9411", "9412"]  # the page says that the port of worker N is 941N


def test_with_compose_prometheus_asks_the_ports_of_the_services() -> None:
    jobs, compose = _jobs("prometheus-compose.yml"), services()
    assert _targets(jobs[SERVER]) == [f"api:{_option(compose['api']['command'], '--port')}"]
    [found] = jobs[WORKER]["dns_sd_configs"]
    assert (found["names"], found["type"]) == (["worker"], "A")
    worker = compose["worker"]
    assert worker["environment"]["PROVISION_METRICS_PORT"] == str(found["port"])
    assert worker["environment"]["PROVISION_METRICS_HOST"] == "0.0.0.0"  # noqa: S104 - its container's
    assert worker["expose"] == [str(found["port"])]
    assert "ports" not in worker  # for Prometheus beside it, and nobody outside
    assert {"inside"} <= set(worker["networks"]) & set(compose["api"]["networks"])


def test_in_a_cluster_the_monitors_ask_the_ports_of_the_pods() -> None:
    worker = _objects("Deployment", "worker")["spec"]["template"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in worker["ports"]}
    environment = {each["name"]: each["value"] for each in worker["env"]}
    [endpoint] = _objects("PodMonitor", "worker")["spec"]["podMetricsEndpoints"]
    assert environment["PROVISION_METRICS_PORT"] == str(ports[endpoint["port"]])
    service = {each["name"]: each["port"] for each in _objects("Service", "api")["spec"]["ports"]}
    [asked] = _objects("ServiceMonitor", "api")["spec"]["endpoints"]
    assert asked["port"] in service
    jobs = [each["relabelings"][0]["replacement"] for each in (endpoint, asked)]
    assert jobs == [WORKER, SERVER]
    [trigger] = _objects("ScaledObject", "worker")["spec"]["triggers"]
    namespace = kustomization()["namespace"]
    assert trigger["metadata"]["url"] == f"http://api.{namespace}.svc:{service['http']}/metrics"
    [rule] = _objects("NetworkPolicy", "worker")["spec"]["ingress"]
    assert rule["ports"] == [{"port": endpoint["port"]}]


def test_every_worker_of_every_deployment_has_the_port_of_the_same_family() -> None:
    compose = services()["worker"]["environment"]["PROVISION_METRICS_PORT"]
    worker = _objects("Deployment", "worker")["spec"]["template"]["spec"]["containers"][0]
    cluster = {each["name"]: each["value"] for each in worker["env"]}["PROVISION_METRICS_PORT"]
    assert compose == cluster == _unit("provision-worker@", "0")[1]["PROVISION_METRICS_PORT"] == "9410"
