"""Rows that are another batch's already: the command that names them again tells how they end."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.commands import Desk, tenants, until
from tests.support.sandbox_process import SandboxProcess


def test_rows_that_wait_in_another_batch_are_followed_there_and_decide_the_exit_code(
    desk: Desk, sandbox: SandboxProcess
) -> None:
    tenants(desk.folder / "tenants.csv", 40)
    assert desk.run("apply", "tenants.csv", "--name", "first", CLIENT_SECRET="wrong").code == 3

    # The secret is right now, but the brake is still on: nothing is created, and that is not a success.
    again = desk.run("apply", "tenants.csv")
    assert again.code == 3, again.out
    assert "40 already queued or being sent" in again.out
    assert "provision resume --credential default" in again.out
    assert sandbox.stats()["widgets"] == 0

    assert desk.run("resume", "--credential", "default").code == 0
    assert desk.run("apply", "tenants.csv").code == 0
    assert sandbox.stats()["widgets"] == 40


def test_an_embedded_ledger_that_dies_ends_the_command_and_the_same_command_finishes(
    desk: Desk, sandbox: SandboxProcess
) -> None:
    sandbox.post_faults({"latency": "0.2"})
    tenants(desk.folder / "tenants.csv", 400)
    running = desk.start("apply", "tenants.csv", MAX_IN_FLIGHT="8")
    until(lambda: sandbox.stats()["widgets"] > 20, "some are created")
    [valkey] = [pid for pid in desk.processes() if "valkey" in _name(pid)]
    os.kill(valkey, 9)
    ended = running.end()
    assert ended.code == 3, ended.err
    assert "run the same command again" in ended.err
    assert "Traceback" not in ended.err

    sandbox.post_faults({"scenario": "calm"})
    desk.run("apply", "tenants.csv")
    status = desk.status("tenants")
    assert sum(status["states"].values()) == 400
    assert status["states"]["succeeded"] + status["states"]["in_doubt"] == 400
    assert sandbox.stats()["bodies_created_twice"] == 0


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text()
