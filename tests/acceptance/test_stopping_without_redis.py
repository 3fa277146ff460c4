"""A worker that is told to stop ends in the time that the docs promise, whatever its Redis does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioning.embedded.valkey import embedded_valkey
from tests.support.commands import PROVISION, Desk, Running, running_worker, tenants, until
from tests.support.sandbox_process import SandboxProcess

PROMISED = 10.0
"""Seconds; docs/how-to/run-workers.md says so."""

SLACK = 2.0
"""For a machine that is busy with other tests."""


@contextmanager
def frozen(desk: Desk) -> Iterator[None]:
    """Redis accepts connections and answers nothing, as behind a broken network."""
    [valkey] = [pid for pid in desk.processes() if "valkey" in Path(f"/proc/{pid}/comm").read_text()]
    os.kill(valkey, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(valkey, signal.SIGCONT)


def _stopped_in_time(worker: Running) -> None:
    began = time.monotonic()
    ended = worker.end(signal.SIGTERM)
    took = time.monotonic() - began
    assert ended.code == 0, ended.err
    assert took < PROMISED + SLACK, f"it took {took:.1f} s"


@pytest.mark.parametrize("frozen_for", [0.0, 3.0], ids=["in the same moment", "for a while"])
def test_an_idle_worker_stops_while_redis_answers_nothing(
    desk: Desk, tmp_path: Path, frozen_for: float
) -> None:
    with (
        embedded_valkey(tmp_path / "valkey") as url,
        running_worker(desk, url) as worker,
        frozen(desk),
    ):
        time.sleep(frozen_for)
        _stopped_in_time(worker)


def test_a_worker_with_posts_in_flight_stops_while_redis_answers_nothing(
    desk: Desk, tmp_path: Path, sandbox: SandboxProcess
) -> None:
    sandbox.post_faults({"latency": "20"})
    tenants(tmp_path / "tenants.csv", 50)
    settings = {"RATE": "unlimited"}
    with embedded_valkey(tmp_path / "valkey") as url, running_worker(desk, url, **settings) as worker:
        applied = desk.run("apply", "tenants.csv", "--yes", "--detach", REDIS_URL=url, **settings)
        assert applied.code == 0, applied.err
        until(lambda: sandbox.stats()["in_flight"] > 0, "POSTs are in flight")
        with frozen(desk):
            time.sleep(1.0)
            _stopped_in_time(worker)


def test_a_worker_that_waits_for_redis_to_start_stops_at_once(desk: Desk, tmp_path: Path) -> None:
    with embedded_valkey(tmp_path / "valkey") as url:
        until(lambda: desk.processes(), "Redis is there")
        with frozen(desk):
            worker = desk.start_program([PROVISION, "worker"], REDIS_URL=url)
            time.sleep(4.0)  # it asks Redis whether it is fit, or is about to
            _stopped_in_time(worker)
