"""Opening, hashing, counting, and what is noticed over a whole file."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import sys
import threading
import tracemalloc
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from producers.files.file_kinds import Format
from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from producers.files.repeats import Repeats
from producers.files.source import Source
from provisioning.errors import InvalidInputError, InvalidJobError, NoRoomError
from provisioning.job import NewJob
from tests.fixtures.workbook import workbook

WORKBOOK = workbook([("key", "bot.id"), ("a", "100"), ("b", "200")])
GOOD = b"key,bot.id\na,100\nb,200\n"


def test_a_missing_file_is_one_line_and_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "tenants.csv").write_bytes(GOOD)
    with pytest.raises(InvalidInputError, match="there is no file") as caught:
        Reading(tmp_path / "tenant.csv")
    assert "tenants.csv" in caught.value.hint


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="is a directory"):
        Reading(tmp_path)


def test_standard_input_is_read_once_and_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(GOOD)))
    reading = Reading("-")
    assert [item.key for item in reading if isinstance(item, NewJob)] == ["a", "b"]
    assert reading.sha256 == hashlib.sha256(GOOD).hexdigest()
    assert reading.name == "standard input"


def test_a_pipe_that_trickles_is_read_like_a_file() -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 3, 3))

    reading = Reading(Trickle(b"\xef\xbb\xbf" + GOOD))
    assert reading.headers == ("key", "bot.id")
    assert len(list(reading)) == 2


@pytest.mark.parametrize("content", [GOOD, WORKBOOK], ids=["csv", "xlsx"])
def test_a_pipe_with_a_name_is_read_as_standard_input_is(content: bytes, tmp_path: Path) -> None:
    pipe = tmp_path / "tenants"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    with Reading(pipe) as reading:
        jobs = list(reading)
    writer.join()
    assert [job.key for job in jobs if isinstance(job, NewJob)] == ["a", "b"]
    assert reading.sha256 == hashlib.sha256(content).hexdigest()


def test_a_disk_without_room_is_named_where_a_workbook_is_laid_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", partial(Path("/dev/full").open, "w+b", buffering=0))
    with pytest.raises(NoRoomError, match="temporary file for the input cannot be written: No space"):
        Reading(io.BytesIO(gzip.compress(WORKBOOK)))


class Failing(io.BytesIO):
    """A disk that is torn out once some bytes were read."""

    def __init__(self, content: bytes, good: int) -> None:
        super().__init__(content)
        self._good = good

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= self._good:
            raise OSError(5, "Input/output error")
        return super().read(min(size or 1, self._good))


def test_a_disk_that_fails_is_an_error_of_the_file() -> None:
    head = b"key,bot.id\n" + b"a,100\n" * 100_000
    with pytest.raises(InvalidInputError, match="the input cannot be read: Input/output error"):
        list(Reading(Failing(head, 300_000)))


def test_a_disk_that_fails_under_a_workbook_is_not_taken_for_a_damaged_workbook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Source, "seekable", lambda _: Failing(WORKBOOK, len(WORKBOOK) - 100))
    with pytest.raises(InvalidInputError, match="the input cannot be read: Input/output error"):
        list(Reading(io.BytesIO(WORKBOOK)))


def test_notes_are_not_lost_where_the_reading_ends_in_an_error() -> None:
    for content in (b"titulo\nClave,bot.id\nPe\xf1a,100\n", b'key,bot.id\na,Pe\xf1a\n"b,100\n'):
        with pytest.raises(InvalidInputError) as caught:
            list(Reading(io.BytesIO(content)))
        assert any("passed over" in str(note) or "Windows-1252" in str(note) for note in caught.value.notes)


def test_a_reading_knows_its_columns_its_counts_and_its_format() -> None:
    content = b"Clave;bot.id;notas\na;100;x\nb;;y\n\n"
    options = ReadOptions(maps={"Clave": "key", "notas": ""})
    reading = Reading(io.BytesIO(content), options)
    items = list(reading)
    assert reading.headers == ("Clave", "bot.id", "notas")
    assert reading.columns == ("key", "bot.id", "")
    assert (reading.format, reading.delimiter) == (Format.CSV, ";")
    assert (reading.rows, reading.good, reading.bad, reading.blank) == (2, 1, 1, 1)
    assert [type(item) for item in items] == [NewJob, InvalidJobError]


def test_options_that_are_wrong_are_said_before_the_file_is_opened() -> None:
    with pytest.raises(InvalidInputError, match="looks like a secret"):
        Reading("no such file", ReadOptions(credential="id:secret"))


def test_memory_does_not_grow_with_the_file() -> None:
    row = b"tenant-%07d,Tienda \xc3\x91and\xc3\xba,100200300,br,#00677F\n"
    header = b"key,label,bot.id,widget.theme.position,widget.theme.vars.color.primary\n"
    content = header + b"".join(row % number for number in range(20_000))
    stream = io.BytesIO(content)
    tracemalloc.start()
    try:
        count = sum(1 for _ in Reading(stream))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 5_000_000


def test_a_repeated_key_is_reported_with_the_row_that_had_it_first() -> None:
    repeats = Repeats()
    jobs = [NewJob(f"k{number}", "acme", b"{}", number + 2) for number in range(5_000)]
    assert not any(repeats.check(jobs))
    [problem] = repeats.check([NewJob("k7", "acme", b"{}", 9_999)])
    assert problem is not None
    assert (problem.row, problem.value) == (9_999, "k7")
    assert "row 9 has it too" in problem.message


def test_the_same_key_under_other_credentials_is_another_job() -> None:
    repeats = Repeats()
    assert repeats.check([NewJob("k", "a", b"{}", 2), NewJob("k", "b", b"{}", 3)]) == [None, None]
