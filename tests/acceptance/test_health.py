"""`provision health` beside real workers: frozen, stuck, idle, braked, without Redis, dead."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioning.embedded.valkey import embedded_valkey
from tests.support.commands import PROVISION, Desk, Running, running_worker, tenants, until
from tests.support.sandbox_process import SandboxProcess

SOON = ("--limit", "4")
"""Without a sign for so long a test takes a worker for stuck; one that lives gives one a second."""


@contextmanager
def worker(desk: Desk, redis_url: str, **settings: str) -> Iterator[Running]:
    """A worker that is ready by its own heartbeat; killed at the end, which is quicker than stopping it."""
    with running_worker(desk, redis_url, **settings) as running:
        until(lambda: desk.run("health", "--ready").code == 0, "it is ready")
        yield running
        running.process.kill()


def test_a_worker_is_alive_when_idle_and_when_held_and_not_when_frozen_or_dead(
    desk: Desk, sandbox: SandboxProcess, redis_url: str
) -> None:
    with worker(desk, redis_url, CLIENT_SECRET="wrong") as running:
        alive = desk.run("health")
        assert (alive.code, alive.err) == (0, "")
        assert alive.out.startswith(f"alive: worker-{running.pid}@")
        [shown] = desk.run("health", "--json", "--worker", "worker").objects
        assert (shown["pid"], shown["alive"], shown["ready"], shown["why"]) == (running.pid, True, True, None)
        assert max(shown["ages"].values()) < 20
        assert desk.run("health", "--worker", "other").code == 1

        tenants(desk.folder / "tenants.csv", 5)
        assert desk.run("apply", "tenants.csv", "--detach", "--yes", REDIS_URL=redis_url).code == 0

        def brakes() -> object:
            return desk.run("status", "tenants", "--json", REDIS_URL=redis_url).last["brakes"]

        until(brakes, "the refused credential is braked")
        assert desk.run("pause", "--all", REDIS_URL=redis_url).code == 0
        assert desk.run("health", "--ready").out.startswith("ready: ")

        os.kill(running.pid, signal.SIGSTOP)
        until(lambda: desk.run("health", *SOON).code == 1, "it is seen to be frozen")
        assert "has not turned for" in desk.run("health", *SOON).out
        os.kill(running.pid, signal.SIGCONT)
        until(lambda: desk.run("health", "--ready").code == 0, "it is well again")

        running.process.kill()
        running.process.wait()
        gone = desk.run("health")
        assert gone.code == 1
        assert "no live worker has a heartbeat" in gone.out


def test_a_worker_that_stops_in_good_order_leaves_no_heartbeat(desk: Desk, redis_url: str) -> None:
    with running_worker(desk, redis_url):
        assert list((desk.folder / ".provision" / "heartbeats").iterdir()) != []
    assert list((desk.folder / ".provision" / "heartbeats").iterdir()) == []


STUCK = """
import time
from celery import bootsteps
from worker.process.app import app, EngineStep

class Blocks(bootsteps.StartStopStep):
    requires = {EngineStep}
    def start(self, worker):
        worker.hub.call_later(2.0, time.sleep, 3600)  # as a blocking call on Celery's own loop would be

app.steps["worker"].add(Blocks)
"""


def test_a_consumer_stuck_in_a_blocking_call_is_not_alive_though_the_engine_is(
    desk: Desk, redis_url: str
) -> None:
    (desk.folder / "stuck.py").write_text(STUCK)
    command = (str(Path(PROVISION).with_name("celery")), "-A", "stuck", "worker", "--pool", "threads")
    with running_worker(desk, redis_url, *command) as running:
        until(lambda: desk.run("health", *SOON).code == 1, "a stuck consumer is seen")
        until(
            lambda: "Celery's loop has not turned for" in desk.run("health", *SOON).out,
            "it is the consumer that is named",
        )
        [shown] = desk.run("health", "--json").objects
        assert shown["ages"]["engine"] < shown["ages"]["consumer"]
        running.process.kill()  # it would not hear SIGTERM before its watchdog ends it


def test_without_redis_a_worker_lives_and_is_not_ready(desk: Desk, tmp_path: Path) -> None:
    with embedded_valkey(tmp_path / "valkey") as url, worker(desk, url) as running:
        valkey = _valkey_of(desk, running)
        os.kill(valkey, signal.SIGSTOP)
        try:
            until(lambda: desk.run("health", "--ready").code == 1, "it is not ready")
            assert "Redis has not answered it" in desk.run("health", "--ready").out
            assert desk.run("health", "--live").code == 0
        finally:
            os.kill(valkey, signal.SIGCONT)
        until(lambda: desk.run("health", "--ready").code == 0, "it is ready again")


def _valkey_of(desk: Desk, running: Running) -> int:
    [valkey] = [pid for pid in desk.processes() if "valkey" in Path(f"/proc/{pid}/comm").read_text()]
    assert valkey != running.pid
    return valkey


def test_a_broker_that_is_away_does_not_make_the_consumer_look_stuck(desk: Desk, redis_url: str) -> None:
    nowhere = "redis://127.0.0.1:1/0"
    with worker(desk, redis_url, BROKER_URL=nowhere) as running:
        # It pauses for 2 s, 4 s, 6 s: from the third on only the signs that it gives in a pause count.
        log = desk.folder / "process-0.err"
        until(lambda: log.read_text().count("Cannot connect to") > 2, "Celery makes long pauses")
        assert desk.run("health", *SOON).code == 0, desk.run("health", "--json").out
        assert running.process.poll() is None


def test_a_server_is_asked_by_its_address(desk: Desk, redis_url: str) -> None:
    serve = desk.start("serve", "--port", "0", REDIS_URL=redis_url)
    said = desk.folder / "process-0.err"
    until(lambda: "serving at" in said.read_text(), "it serves")
    [address] = re.findall(r"serving at (\S+)", said.read_text())
    assert desk.run("health", "--url", address).out == f"alive: {address}/healthz\n"
    assert desk.run("health", "--ready", "--url", address).out == f"ready: {address}/readyz\n"
    assert desk.run("health", "--url", f"{address}/v1/batches").code == 1  # 401: it wants a token
    serve.end(signal.SIGTERM)
    gone = desk.run("health", "--url", address)
    assert gone.code == 1
    assert "no answer" in gone.out


def test_a_probe_loads_none_of_what_the_other_verbs_need(desk: Desk) -> None:
    program = """
import sys
from console.__main__ import main
sys.argv = ["provision", "health"]
try:
    main()
except SystemExit as end:
    assert end.code == 1, end.code
heavy = {"typer", "rich", "redis", "celery", "pydantic", "msgspec", "asyncio", "ssl", "logging"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=desk.folder, env=desk.environ(), capture_output=True, check=True
    )
    assert done.stdout.decode().splitlines()[-1] == "[]"
