"""Ended in the middle, by whatever, the same command goes on and sends nothing twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.commands import Desk, tenants, until
from tests.support.sandbox_process import SandboxProcess

ROWS = 400


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_asked_to_stop_it_records_what_is_in_flight_and_goes_on_later(
    number: signal.Signals, desk: Desk, sandbox: SandboxProcess
) -> None:
    sandbox.post_faults({"latency": "0.2"})
    tenants(desk.folder / "tenants.csv", ROWS)
    apply = desk.start("apply", "tenants.csv", RATE="150/s", MAX_IN_FLIGHT="50")
    until(lambda: sandbox.stats()["widgets"] >= 20 and sandbox.stats()["in_flight"], "it is in the middle")

    stopped = apply.end(number)
    assert stopped.code == 130
    assert "Traceback" not in stopped.err
    assert "stopping: waiting for the answers to requests in flight" in stopped.err
    assert desk.processes() == []
    status = desk.status("tenants")
    assert status["states"]["sending"] == status["states"]["in_doubt"] == 0
    assert status["states"]["succeeded"] == sandbox.stats()["widgets"] < ROWS

    sandbox.post_faults({"latency": "0"})
    _finishes(desk, sandbox)


def test_a_second_ctrl_c_does_not_take_the_ledger_from_the_worker(
    desk: Desk, sandbox: SandboxProcess
) -> None:
    sandbox.post_faults({"latency": "0.5"})
    tenants(desk.folder / "tenants.csv", ROWS)
    apply = desk.start("apply", "tenants.csv", RATE="50/s")
    until(lambda: sandbox.stats()["in_flight"] >= 5, "it is in the middle")
    apply.process.send_signal(signal.SIGINT)
    errors = desk.folder / "process-0.err"
    until(lambda: "stopping" in errors.read_text(), "it has begun to stop")
    stopped = apply.end(signal.SIGINT)
    assert stopped.code == 130
    assert "Traceback" not in stopped.err
    assert desk.processes() == []
    status = desk.status("tenants")
    assert status["states"]["in_doubt"] == status["states"]["sending"] == 0
    assert status["states"]["succeeded"] == sandbox.stats()["widgets"]


def test_killed_its_worker_ends_in_good_order_and_the_same_command_goes_on(
    desk: Desk, sandbox: SandboxProcess
) -> None:
    sandbox.post_faults({"latency": "0.2"})
    tenants(desk.folder / "tenants.csv", ROWS)
    apply = desk.start("apply", "tenants.csv", RATE="150/s")
    until(lambda: sandbox.stats()["widgets"] >= 20 and sandbox.stats()["in_flight"], "it is in the middle")
    assert apply.end(signal.SIGKILL).code == -signal.SIGKILL

    sandbox.post_faults({"latency": "0"})
    _finishes(desk, sandbox)


def test_everything_killed_at_once_leaves_doubts_and_never_a_second_widget(
    desk: Desk, sandbox: SandboxProcess
) -> None:
    sandbox.post_faults({"latency": "0.3"})
    tenants(desk.folder / "tenants.csv", ROWS)
    apply = desk.start("apply", "tenants.csv", RATE="100/s", LEASE="3")
    until(lambda: sandbox.stats()["widgets"] >= 20 and sandbox.stats()["in_flight"] >= 10, "in the middle")
    for pid in desk.processes():
        if pid != apply.pid and "valkey" not in str(Path(f"/proc/{pid}/exe").readlink()):
            os.kill(pid, signal.SIGKILL)
    apply.end(signal.SIGKILL)

    sandbox.post_faults({"latency": "0"})
    again = desk.run("apply", "tenants.csv", "--json", LEASE="3")
    states = again.last["states"]
    assert again.code == 3
    assert states["in_doubt"] > 0
    assert states["succeeded"] + states["in_doubt"] == again.last["accepted"] == ROWS
    stats = sandbox.stats()
    assert stats["bodies_created_twice"] == 0
    assert again.last["bounds"]["least"] <= stats["widgets"] <= again.last["bounds"]["most"]
    assert desk.processes() == []


def _finishes(desk: Desk, sandbox: SandboxProcess) -> None:
    again = desk.run("apply", "tenants.csv", "--json")
    assert again.code == 0, again.err
    assert again.last["states"]["succeeded"] == again.last["accepted"] == ROWS
    stats = sandbox.stats()
    assert (stats["widgets"], stats["posts"], stats["bodies_created_twice"]) == (ROWS, ROWS, 0)
    assert desk.processes() == []
