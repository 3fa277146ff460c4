"""Checked rows on disk: what was judged is what is handed over."""

from __future__ import annotations

import errno
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.files.reading import Reading
from producers.plan import make_plan
from producers.spool import Spool
from provisioning.errors import NoRoomError
from provisioning.job import NewJob

TEXT = st.text(max_size=30)
JOBS = st.builds(
    NewJob,
    key=TEXT,
    credential=TEXT,
    body=st.dictionaries(TEXT, TEXT, max_size=3).map(msgspec.json.encode),
    row=st.none() | st.integers(1, 2**31),
    label=TEXT,
    trace=TEXT,
)


@given(jobs=st.lists(JOBS, max_size=20))
def test_jobs_come_back_as_they_went_in_and_in_order(jobs: list[NewJob]) -> None:
    with closing(Spool()) as spool:
        for job in jobs:
            spool.add(job)
        assert list(spool) == jobs


def test_a_large_body_comes_back_whole() -> None:
    job = NewJob("k", "acme", b'{"a":"' + b"x" * 65_000 + b'"}', 2)
    with closing(Spool()) as spool:
        spool.add(job)
        spool.add(job)
        assert list(spool) == [job, job]


async def test_what_was_judged_is_handed_over_whatever_becomes_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("key,bot.id\na,1\nbad,\nb,2\n")
    with closing(Spool()) as spool:
        with Reading(file) as reading:
            plan = await make_plan(None, reading, spool=spool)
        file.write_text("key,bot.id\nc,3\n")
        assert [job.key for job in spool] == ["a", "b"]
    assert (plan.rows, plan.bad_rows) == (3, 1)


FULL = """
import resource, signal
from contextlib import closing
from producers.spool import Spool
from provisioning.errors import NoRoomError
from provisioning.job import NewJob

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with closing(Spool()) as spool:
        for row in range(2, 100_000):
            spool.add(NewJob(f"k{row}", "acme", b'{"bot":{"id":"1"}}', row))
except NoRoomError as error:
    print(error.message)
"""


def test_a_disk_that_fills_up_meanwhile_is_told_as_such() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FULL], capture_output=True, text=True, check=False, timeout=60
    )
    assert "the temporary file for checked rows cannot be written" in ran.stdout, ran.stderr


def test_a_disk_without_room_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(NoRoomError, match=r"temporary file for checked rows.*No space left") as caught:
        Spool()
    assert "TMPDIR" in caught.value.hint
