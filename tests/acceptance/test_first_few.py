"""`apply --first N`: N rows are sent, the rest waits for a yes, also if workers are killed meanwhile."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import Desk, Running, running_worker, tenants, until
from tests.support.sandbox_process import SandboxProcess

ROWS, FIRST = 20, 3
HELD = 3
"""Exit code of an apply whose rows wait for a person."""


@pytest.fixture
def worker(desk: Desk, redis_url: str) -> Iterator[Running]:
    with running_worker(desk, redis_url) as worker:
        yield worker


def test_three_rows_are_sent_and_the_others_once_a_person_resumes(
    desk: Desk, sandbox: SandboxProcess, redis_url: str, worker: Running
) -> None:
    tenants(desk.folder / "tenants.csv", ROWS)
    shared = {"REDIS_URL": redis_url}
    applied = desk.run("apply", "tenants.csv", "--first", str(FIRST), **shared)
    assert applied.code == HELD, applied.err
    assert "the first 3 jobs were sent; the rest waits for a yes" in applied.out
    assert "to send the rest: provision resume tenants" in applied.out
    assert sandbox.stats()["posts"] == FIRST

    [status] = desk.run("status", "tenants", "--json", **shared).objects
    assert (status["states"]["succeeded"], status["states"]["queued"]) == (FIRST, ROWS - FIRST)
    assert (status["paused"], status["first"], status["settled"]) == (True, None, False)
    [hold] = status["holds"]
    assert (hold["scope"], hold["kind"], hold["first"]) == (f"batch:{status['batch']}", "paused", FIRST)
    again = desk.run("apply", "tenants.csv", "--json", **shared)
    assert (again.code, again.last["paused"], sandbox.stats()["posts"]) == (HELD, True, FIRST)

    assert desk.run("resume", "tenants", **shared).code == 0
    done = desk.run("apply", "tenants.csv", "--first", str(FIRST), "--json", **shared)
    assert (done.code, done.last["states"]["succeeded"]) == (0, ROWS)
    stats = sandbox.stats()
    assert (stats["posts"], stats["widgets"], stats["bodies_created_twice"]) == (ROWS, ROWS, 0)
    assert worker.process.poll() is None


def test_a_worker_that_is_killed_among_the_first_few_changes_nothing(
    desk: Desk, sandbox: SandboxProcess, redis_url: str
) -> None:
    tenants(desk.folder / "tenants.csv", ROWS)
    shared = {"REDIS_URL": redis_url, "LEASE": "3"}
    left = desk.run("apply", "tenants.csv", "--first", str(FIRST), "--detach", "--json", **shared)
    assert (left.code, left.last["first"], left.last["paused"]) == (0, FIRST, False)

    sandbox.post_faults({"latency": "5"})
    with running_worker(desk, redis_url, LEASE="3") as worker:
        until(lambda: sandbox.stats()["in_flight"] == FIRST, "the first few are being sent")
        worker.process.send_signal(signal.SIGKILL)
        worker.process.wait()
    sandbox.post_faults({"latency": "0"})

    def status() -> dict[str, object]:
        [shown] = desk.run("status", "tenants", "--json", **shared).objects
        return dict(shown)

    with running_worker(desk, redis_url, LEASE="3"):
        until(lambda: status()["paused"], "the first few are in doubt, and the rest is paused")
        assert sandbox.stats()["posts"] == FIRST
        states = status()["states"]
        assert isinstance(states, dict)
        assert (states["in_doubt"], states["queued"]) == (FIRST, ROWS - FIRST)
        assert desk.run("resume", "tenants", **shared).code == 0
        until(lambda: status()["settled"], "the rest is sent")
    until(lambda: not sandbox.stats()["in_flight"], "the sandbox has done what the dead worker asked for")
    stats = sandbox.stats()
    assert (stats["posts"], stats["widgets"], stats["bodies_created_twice"]) == (ROWS, ROWS, 0)


def test_with_the_embedded_ledger_the_same_command_sends_the_rest_after_the_yes(
    desk: Desk, sandbox: SandboxProcess
) -> None:
    tenants(desk.folder / "tenants.csv", ROWS)
    command = ("apply", "tenants.csv", "--first", "1")
    first = desk.run(*command)
    assert (first.code, sandbox.stats()["posts"]) == (HELD, 1)
    assert _rows(desk.folder / "tenants.outcomes" / "not_attempted.csv") == ROWS - 1
    resumed = desk.run("resume", "tenants")
    assert "run the same provision apply again" in resumed.err
    assert desk.run(*command).code == 0
    assert sandbox.stats()["posts"] == ROWS


def test_as_many_rows_as_the_file_has_or_more_are_all_of_them(desk: Desk, sandbox: SandboxProcess) -> None:
    tenants(desk.folder / "tenants.csv", 2)
    for number, first in enumerate(("2", "5")):
        done = desk.run("apply", "tenants.csv", "--name", f"n{number}", "--first", first, "--json")
        assert done.code == 0
    assert sandbox.stats()["posts"] == 2


def test_fewer_than_one_row_is_refused(desk: Desk, sandbox: SandboxProcess) -> None:
    tenants(desk.folder / "tenants.csv", 2)
    refused = desk.run("apply", "tenants.csv", "--first", "0")
    assert (refused.code, "--first" in refused.err, sandbox.stats()["posts"]) == (2, True, 0)


def _rows(path: Path) -> int:
    return len(path.read_text().splitlines()) - 1
