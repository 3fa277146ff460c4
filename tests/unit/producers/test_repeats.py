"""Repeated keys are found in a file of any length, in memory that does not grow with it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from producers.plan import checked
from producers.repeats import Repeats
from provisioning.job import NewJob

SMALL = 64 << 10
"""Bytes held in memory: a few thousand rows."""

FILLED = """
import re, resource, sys
from pathlib import Path
from producers.repeats import Repeats
from provisioning.job import NewJob

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

rows, held, room = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
repeats = Repeats(held)
repeats.check([NewJob("the first", "acme", b"{}", 2)])
before = peak()
for row in range(3, rows, 100):
    assert not any(repeats.check([NewJob(f"tenant-{n}", "acme", b"{}", n) for n in range(row, row + 100)]))
print(peak() - before)
"""


def _fill(*, rows: int, held: int, room: int) -> subprocess.CompletedProcess[str]:
    """What a process of its own said that has seen so many rows; its files have room for `room` bytes."""
    words = [sys.executable, "-c", FILLED, str(rows), str(held), str(room)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def test_a_repeat_is_found_though_the_row_that_had_it_first_is_no_longer_in_memory() -> None:
    repeats = Repeats(SMALL)
    assert not any(repeats.check([NewJob(f"k{row}", "acme", b"{}", row) for row in range(2, 30_000)]))
    for row in (2, 17, 14_999, 29_999):
        [problem] = repeats.check([NewJob(f"k{row}", "acme", b"{}", 40_000)])
        assert problem is not None
        assert f"row {row} has it too" in problem.message
    assert repeats.found == 4


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_hundred_thousand_rows_take_no_more_memory_than_is_allowed() -> None:
    done = _fill(rows=100_000, held=1 << 20, room=1 << 30)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 2_000, "kB for 100 000 rows: a table of them takes 4 000"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_temporary_file_without_room_is_told_with_the_way_out() -> None:
    done = _fill(rows=100_000, held=SMALL, room=1 << 20)
    assert done.returncode == 1
    assert "InvalidInputError: the temporary file for the keys seen so far cannot be written" in done.stderr


def test_a_reading_that_has_ended_lets_go_of_what_it_has_seen() -> None:
    repeats = Repeats()
    jobs = [NewJob("k", "acme", b"{}", row) for row in (2, 3)]
    problems: list[object] = []
    assert list(checked(jobs, problems.append, repeats=repeats)) == jobs[:1]
    assert len(problems) == repeats.found == 1
    with pytest.raises(Exception, match="closed database"):
        repeats.check(jobs)
