"""What the bench counts, it counts rightly: POSTs, widgets, percentiles, CPU, memory, rows."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import measure, rows
from bench.server.post_log import Post, read_posts, seen
from producers.files.reading import Reading
from provisioning.job import NewJob

BURNER = """
import os, sys, time

def burn(seconds):
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass

if os.fork() == 0:  # one that ends and is waited for
    burn(0.2)
    os._exit(0)
os.wait()
child = os.fork()
if child == 0:  # one that lives on, in a group of its own
    os.setpgid(0, 0)
    burn(0.3)
    print("child", flush=True)
    time.sleep(60)
burn(0.4)
held = b"x" * 30_000_000
del held
print("parent", flush=True)
time.sleep(60)
"""


@pytest.fixture
def burner() -> Iterator[int]:
    """The session of two processes that have used 0.9 s of CPU and 30 MB, and now sleep."""
    process = subprocess.Popen(
        [sys.executable, "-c", BURNER], stdout=subprocess.PIPE, start_new_session=True, text=True
    )
    assert process.stdout is not None
    try:
        assert sorted(process.stdout.readline() for _ in range(2)) == ["child\n", "parent\n"]
        yield process.pid
    finally:
        measure.send_signal([process.pid], signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_cpu_is_that_of_a_whole_session_ended_children_included(burner: int) -> None:
    assert len(measure.members([burner])) == 2
    # Beyond what it burns there is only Python's own start; clocks tick in hundredths.
    assert 0.88 <= measure.cpu_seconds([burner]) < 1.5


def test_cpu_stands_still_while_a_session_sleeps(burner: int) -> None:
    assert measure.calm([burner])


def test_the_peak_counts_memory_that_was_given_back(burner: int) -> None:
    assert measure.peak_bytes([burner]) > 30_000_000


def test_a_command_with_parentheses_does_not_shift_the_fields() -> None:
    text = "12 (a (b) c) S 1 12 34 0 -1 4194560 1 2 3 4 50 7 20 3 20 0 1 0 100"
    assert measure.read_stat(text) == measure.Stat(session=34, ticks=57, reaped=23)


def _post(mark: str, answered: float, status: int = 200, seconds: float = 0.5) -> Post:
    return Post(answered, seconds, status, mark, 700)


def test_a_second_widget_of_a_job_is_a_duplicate_and_a_retry_is_none() -> None:
    found = seen([_post("a", 1.0, 500), _post("a", 2.0), _post("b", 2.5), _post("b", 3.0), _post("b", 3.5)])
    assert (found.posts, found.created, found.duplicates, found.failed) == (5, 2, 2, 1)


def test_the_clock_runs_from_the_first_byte_of_the_first_post_to_the_first_widget_of_a_job() -> None:
    posts = [_post("a", 1.0, 500), *(_post(f"j{n}", 2.0 + n) for n in range(99)), _post("a", 500.0)]
    found = seen([*posts, _post("a", 501.0)])
    assert found.first == 0.5
    assert found.most == {0.95: 96.0, 1.0: 500.0}


def test_nothing_seen_is_an_error_and_not_a_speed() -> None:
    with pytest.raises(ValueError, match="no POST"):
        seen([])


def test_a_log_is_read_as_nginx_writes_it(tmp_path: Path) -> None:
    log = tmp_path / "posts.log"
    log.write_text("1700000000.250 0.200 200 500000001 700\n1700000001.000 0.000 422 - -\n")
    first, second = read_posts(log)
    assert first == Post(1700000000.25, 0.2, 200, "500000001", 700)
    assert first.began == pytest.approx(1700000000.05)
    assert (second.mark, second.size) == ("-", 0)


@pytest.mark.parametrize("number", [0, 7, 99_999, 1_234_567])
def test_every_body_has_700_bytes_and_the_mark_that_the_server_looks_for(number: int) -> None:
    body = rows.body(number)
    assert len(body.encode()) == rows.BODY_BYTES
    assert json.loads(body)["bot"]["id"] == str(rows.FIRST_BOT + number)


def test_our_file_comes_to_the_very_bytes_that_the_peers_are_given(tmp_path: Path) -> None:
    file, ready_made = tmp_path / "rows.csv", tmp_path / "jobs.txt"
    rows.write_csv(file, range(5, 9))
    rows.write_jobs(ready_made, range(5, 9))
    theirs = [line.split("\t") for line in ready_made.read_text().splitlines()]
    with Reading(file) as reading:
        ours = [(job.key, job.body.decode()) for job in reading if isinstance(job, NewJob)]
    assert [list(pair) for pair in ours] == theirs
    with file.open(newline="") as written:
        assert len(list(csv.reader(written))) == 5
