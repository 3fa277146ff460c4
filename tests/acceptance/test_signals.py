"""A worker obeys SIGTERM from its first moment, also as PID 1 of a container, and SIGUSR1 is no stop."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import BIN, PATIENCE, Desk, running_worker, until

AS_PID_1 = ["unshare", "--pid", "--fork", "--kill-child=KILL", "--"]

STOP_SECONDS = 10.0
"""A supervisor kills after ten seconds."""


def _may_unshare() -> bool:
    try:
        tried = subprocess.run([*AS_PID_1, "true"], capture_output=True, timeout=PATIENCE, check=False)
    except FileNotFoundError:
        return False
    return tried.returncode == 0


def _child(parent: int) -> int | None:
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return int(found[0]) if found else None


def _catches_sigterm(pid: int) -> bool:
    [line] = [each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigCgt" in each]
    return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def _has_become_the_worker(pid: int) -> bool:
    return b"\0worker\0" in Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"provision\0worker", b"")


@pytest.mark.skipif(not _may_unshare(), reason="no PID namespaces for this user")
@pytest.mark.parametrize("moment", [_catches_sigterm, _has_become_the_worker])
def test_as_pid_1_it_stops_before_it_has_begun(
    desk: Desk, redis_url: str, moment: Callable[[int], bool]
) -> None:
    started = desk.start_program([*AS_PID_1, str(BIN / "provision"), "worker"], REDIS_URL=redis_url)
    until(lambda: _child(started.pid), "it is there")
    pid = _child(started.pid) or 0
    until(lambda: moment(pid), "it has come so far")
    began = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    assert started.process.wait(PATIENCE) == 0, started.said
    assert time.monotonic() - began < STOP_SECONDS
    assert "program.started" not in started.said


def test_sigusr1_shows_the_stacks_and_is_no_stop(desk: Desk, redis_url: str) -> None:
    with running_worker(desk, redis_url) as worker:
        worker.process.send_signal(signal.SIGUSR1)
        until(lambda: "worker/process/engine_thread.py" in worker.said, "the stacks are shown")
        assert "signal.received" in worker.said
        assert "stop.requested" not in worker.said
        assert worker.process.poll() is None
    assert "stop.requested" in worker.said
