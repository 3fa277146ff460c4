"""What a heartbeat says, by a clock that the test holds, and whose it is, by the kernel's word."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from provisioning.config.settings import Settings
from provisioning.health.heartbeat import Heartbeat, folder_of, read_heartbeat, read_heartbeats
from provisioning.health.liveness import LEDGER_LIMIT, PROBE_LIMIT, Liveness
from tests.support.commands import until
from tests.support.repository import ROOT
from worker.process.heartbeat import HeartbeatFile

NOW = 1000.0
"""Monotonic seconds."""

PROBE_EVERY = 10.0
"""Seconds between probes, as the pages show them."""


def beat(*, credentials: int = 1, stopping: bool = False, **signs: float | bool | None) -> Heartbeat:
    given = {"engine": NOW, "ledger": NOW, "message": NOW, "consumer": NOW, "looked": True, **signs}
    return Heartbeat("w@host", 7, 0.0, Liveness(**given), credentials, stopping)  # type: ignore[arg-type]


def test_a_worker_whose_loops_turn_is_alive_and_ready() -> None:
    assert beat().stuck(NOW) is None
    assert beat().unready(NOW) is None


@pytest.mark.parametrize("part", ["engine", "consumer"])
def test_a_part_that_has_stopped_turning_is_seen_within_30_s_of_probes(part: str) -> None:
    stopped = beat()
    others = {"engine", "consumer", "ledger", "message"} - {part}
    at = NOW + 30.0
    assert PROBE_LIMIT + PROBE_EVERY <= 30.0
    for other in others:
        setattr(stopped.signs, other, at)
    assert stopped.stuck(at) is not None
    assert stopped.unready(at) is not None


def test_a_heartbeat_that_nobody_writes_any_more_is_that_of_a_frozen_worker() -> None:
    assert beat().stuck(NOW + PROBE_LIMIT) is None
    assert "has not turned for 21 s" in (beat().stuck(NOW + PROBE_LIMIT + 1) or "")


def test_while_redis_is_away_a_worker_is_alive_and_not_ready() -> None:
    waiting = beat(ledger=NOW - LEDGER_LIMIT - 1)
    assert waiting.stuck(NOW) is None
    assert "Redis has not answered it for 11 s" in (waiting.unready(NOW) or "")


@pytest.mark.parametrize(
    ("heartbeat", "said"),
    [
        (beat(looked=False), "Redis has not answered it yet"),
        (beat(stopping=True), "it is stopping"),
        (beat(credentials=0), "it has no credentials"),
    ],
)
def test_a_living_worker_that_cannot_take_work_says_why(heartbeat: Heartbeat, said: str) -> None:
    assert heartbeat.stuck(NOW) is None
    assert said in (heartbeat.unready(NOW) or "")


# --- The file ---


def signs() -> Liveness:
    now = time.monotonic()
    return Liveness(engine=now, ledger=now, message=now, consumer=now)


def test_what_was_written_last_is_read(tmp_path: Path) -> None:
    shown = signs()
    file = HeartbeatFile(tmp_path / "beats", "w/1@host", shown, credentials=2)
    file.open()
    for _ in range(3):
        shown.engine += 1.0
        file.write()
    [read] = read_heartbeats(tmp_path / "beats")
    assert (read.worker, read.pid, read.credentials) == ("w/1@host", os.getpid(), 2)
    assert read.signs == shown
    assert [path.name for path in (tmp_path / "beats").iterdir()] == ["w_1@host.json"]
    file.stop()
    assert read_heartbeats(tmp_path / "beats")[0].stopping
    file.close()
    assert list((tmp_path / "beats").iterdir()) == []


def test_a_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    file = HeartbeatFile(tmp_path / "home" / "beats", "w@host", signs())
    file.open()
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "home", file.path.parent, file.path)] == [
        0o700,
        0o700,
        0o600,
    ]
    file.close()


KILLED = """
import os, signal, sys, time
from pathlib import Path
from provisioning.health.liveness import Liveness
from worker.process.heartbeat import HeartbeatFile
now = time.monotonic()
HeartbeatFile(Path(sys.argv[1]), "dead@host", Liveness(now, now, now)).open()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_worker_leaves_is_no_heartbeat_and_the_next_worker_clears_it_away(
    tmp_path: Path,
) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, check=False)
    left = tmp_path / "dead@host.json"
    # Even if its process id is given to another: the kernel goes by the lock.
    left.write_text(json.dumps({**json.loads(left.read_text()), "pid": os.getpid()}))
    assert read_heartbeat(left) is None
    file = HeartbeatFile(tmp_path, "next@host", signs())
    file.open()
    assert [read.worker for read in read_heartbeats(tmp_path)] == ["next@host"]
    assert not left.exists()
    file.close()


def test_a_reader_never_meets_half_a_heartbeat(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", BUSY, str(tmp_path)], cwd=ROOT)
    try:
        path = tmp_path / "busy@host.json"
        until(path.exists, "it writes")
        for _ in range(3000):
            assert read_heartbeat(path) is not None
    finally:
        writer.kill()
        writer.wait()


BUSY = """
import sys, time
from pathlib import Path
from provisioning.health.liveness import Liveness
from worker.process.heartbeat import HeartbeatFile
now = time.monotonic()
file = HeartbeatFile(Path(sys.argv[1]), "busy@host", Liveness(now, now, now))
file.open()
while True:
    file.write()
"""


@pytest.mark.parametrize("text", ["", "{", "[]", '{"worker": "w"}', '{"signs": 3}'])
def test_a_file_of_somebody_else_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text)
    assert read_heartbeats(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    file = HeartbeatFile(tmp_path / "file" / "beats", "w@host", signs())
    with caplog.at_level(logging.WARNING):
        file.open()
        file.write()
    assert [record.message.split()[0] for record in caplog.records] == ["heartbeat.failed"]
    assert "PROVISION_HEARTBEATS" in caplog.text
    file.close()


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"PROVISION_HOME": "/var/lib/p"},
        {"PROVISION_HOME": " "},
        {"PROVISION_HEARTBEATS": "/run/p", "PROVISION_HOME": "/var/lib/p"},
        {"PROVISION_HEARTBEATS": ""},
    ],
)
def test_a_probe_looks_where_the_settings_have_workers_write(environ: dict[str, str]) -> None:
    assert folder_of(environ) == Settings.from_env(environ).heartbeats_folder
