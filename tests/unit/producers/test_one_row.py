"""One row is judged exactly as the plan of its whole file judges it, and what lies below it is not read."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from producers.files.corrections import Corrections
from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from producers.files.source import CHUNK_BYTES
from producers.one_row import row_of
from producers.plan import checked
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.job import NewJob
from tests.fixtures.make_nasty_files import NASTY, Nasty
from tests.fixtures.workbook import MAIN, workbook

CSV = b"key,bot.id,label\na,100,x\n\n,200,x\na,300,x\nb,,\nc,400,x\n"


def row(number: int, file: bytes = CSV) -> NewJob | list[InvalidJobError]:
    return row_of(io.BytesIO(file), number)


@pytest.mark.parametrize("nasty", NASTY, ids=lambda nasty: nasty.name)
def test_each_row_of_any_file_is_what_reading_the_whole_file_makes_of_it(
    nasty: Nasty, tmp_path: Path
) -> None:
    path = tmp_path / nasty.name
    path.write_bytes(nasty.content)
    options = ReadOptions(**nasty.options)
    jobs: dict[int | None, NewJob] = {}
    problems: dict[int | None, list[str]] = {}
    with contextlib.suppress(InvalidInputError), Reading(path, options) as reading:
        read = checked(reading, lambda problem: problems.setdefault(problem.row, []).append(problem.message))
        jobs.update((job.row, job) for job in read)
    assert None not in {*jobs, *problems}
    for number in [*jobs, *problems][:200]:
        found = row_of(path, number or 0, options)
        if isinstance(found, NewJob):
            assert found == jobs[number]
        else:
            assert [problem.message for problem in found] == problems[number]


def test_a_key_that_a_row_above_has_is_a_problem() -> None:
    [problem] = cast(list[InvalidJobError], row(5))
    assert "row 2 has it too" in problem.message


def test_a_row_that_was_left_out_is_not_shown_and_does_not_count_above_others() -> None:
    options = ReadOptions(corrections=Corrections(left_out=frozenset([2])))
    with pytest.raises(InvalidInputError, match="row 2 of the input is left out"):
        row_of(io.BytesIO(CSV), 2, options)
    assert isinstance(row_of(io.BytesIO(CSV), 5, options), NewJob)


def test_a_name_that_no_credential_has_is_a_problem() -> None:
    [problem] = cast(list[InvalidJobError], row_of(io.BytesIO(CSV), 2, known_credentials=frozenset(["acme"])))
    assert problem.field == "credential"


@pytest.mark.parametrize(
    ("number", "says", "hint"),
    [
        (1, "row 1 of the input holds no tenant", "in row 2"),
        (3, "row 3 of the input is blank", "row 4"),
        (8, "the input has no row 8", "last row is row 7"),
    ],
)
def test_a_row_that_is_not_there_is_said_with_those_that_are(number: int, says: str, hint: str) -> None:
    with pytest.raises(InvalidInputError, match=says) as caught:
        row(number)
    assert hint in caught.value.hint


def test_lines_are_counted_from_the_first_of_json_and_rows_by_a_workbook_itself() -> None:
    lines = b'{"key":"a","bot":{"id":"100"}}\n\n{"key":"b","bot":{"id":"200"}}\n'
    assert cast(NewJob, row(3, lines)).key == "b"
    book = workbook([["key", "bot.id"], ["a", "100"]], skip_rows=4)
    assert cast(NewJob, row(6, book)).key == "a"


def test_a_workbook_may_have_its_rows_in_any_order() -> None:
    def line(number: int, *cells: str) -> str:
        texts = (f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in cells)
        return f'<row r="{number}">{"".join(texts)}</row>'

    rows = line(1, "key", "bot.id") + line(4, "c", "300") + line(2, "a", "100")
    book = workbook([], sheet_xml=f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>')
    assert cast(NewJob, row(2, book)).key == "a"
    with pytest.raises(InvalidInputError, match="row 3 of the input is blank"):
        row(3, book)


class _BreaksOff(io.BytesIO):
    """A file that cannot be read beyond its first megabyte."""

    def read(self, size: int | None = -1, /) -> bytes:
        assert self.tell() < 4 * CHUNK_BYTES, "it was read on"
        return super().read(size)


@pytest.mark.parametrize("second", ["b,200", "b,"])
def test_nothing_is_read_far_below_the_row(second: str) -> None:
    file = f"key,bot.id\na,100\n{second}\n" + "".join(f"t{n},100\n" for n in range(1_000_000))
    found = row_of(cast(BinaryIO, _BreaksOff(file.encode())), 3)
    assert isinstance(found, NewJob) == (second == "b,200")
