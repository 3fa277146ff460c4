"""Repeated keys are found in a file of any length, in memory that does not grow with it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.files.repeats import Repeats
from producers.plan import checked, make_plan
from provisioning.job import NewJob

SMALL = 64 << 10
"""Bytes held in memory: a few thousand rows."""

FILLED = """
import re, resource, sys
from pathlib import Path
from producers.files.repeats import Repeats
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
    assert "NoRoomError: the temporary file for the keys seen so far cannot be written" in done.stderr


def test_a_reading_that_has_ended_lets_go_of_what_it_has_seen() -> None:
    repeats = Repeats()
    jobs = [NewJob("k", "acme", b"{}", row) for row in (2, 3)]
    problems: list[object] = []
    assert list(checked(jobs, problems.append, repeats=repeats)) == jobs[:1]
    assert len(problems) == repeats.found == 1
    with pytest.raises(Exception, match="closed database"):
        repeats.check(jobs)


def alike(*keys: str) -> list[str]:
    repeats = Repeats()
    jobs = [NewJob(key, "acme", b"{}", row) for row, key in enumerate(keys, 2)]
    assert not any(repeats.check(jobs))
    return list(map(str, repeats.notes))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Café Norte", "café-norte"),
        ("cafénorte", "Café – Norte"),
        ("Norte", "norte"),
        ("norte", "NORTE"),
        ("EC-001", "ec 001"),
        ("ＮＯＲＴＥ", "norte"),
        ("Straße", "STRASSE"),
        ("a\u2011b", "ab"),
    ],
)
def test_keys_that_a_person_may_take_for_one_are_noted(first: str, second: str) -> None:
    note = f"1 key looks like another: row 4 is {second!r}, like that of row 2; each is a tenant of its own"
    assert alike(first, "sur", second) == [note]


@pytest.mark.parametrize(("first", "second"), [("Café", "Cafe"), ("a_b", "ab"), ("a.b", "ab"), ("é1", "e1")])
def test_keys_that_differ_in_more_are_not(first: str, second: str) -> None:
    assert alike(first, second) == []


def test_the_same_key_of_other_credentials_does_not_look_alike() -> None:
    repeats = Repeats()
    assert repeats.check([NewJob("k-1", "a", b"{}", 2), NewJob("K 1", "b", b"{}", 3)]) == [None, None]
    assert repeats.notes == []


def test_composed_and_decomposed_are_one_key() -> None:
    repeats = Repeats()
    [first, second] = repeats.check(
        [NewJob("Caf\u00e9", "acme", b"{}", 2), NewJob("Cafe\u0301", "acme", b"{}", 3)]
    )
    assert first is None
    assert second is not None
    assert "row 2 has it too" in second.message


@given(st.lists(st.sampled_from(["norte", "Norte", "NORTE", "nor te", "no-rte", "sur", "Sur"]), max_size=20))
def test_look_alikes_are_counted_and_their_repeats_found(keys: list[str]) -> None:
    repeats = Repeats()
    problems = repeats.check([NewJob(key, "acme", b"{}", row) for row, key in enumerate(keys, 2)])
    different = set(keys)
    assert repeats.found == len(keys) - len(different)
    assert repeats.alike == len(different) - len({key.lower()[0] for key in different})
    for row, (key, problem) in enumerate(zip(keys, problems, strict=True), 2):
        first = keys.index(key) + 2
        assert (problem is None) == (first == row)
        if problem is not None:
            assert f"row {first} has it too" in problem.message


async def test_a_plan_tells_of_them() -> None:
    jobs = [NewJob(key, "acme", b"{}", row) for row, key in enumerate(["norte", "Norte", "Sur"], 2)]
    plan = await make_plan(None, jobs)
    assert (plan.bad_rows, len(plan.notes)) == (0, 1)
