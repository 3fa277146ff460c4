"""A workbook made to exhaust a reader is refused before it is unpacked, or in memory that does not grow."""

from __future__ import annotations

import io
import zipfile

import pytest

from producers.files.package import MAX_DIRECTORY_BYTES, Bounds
from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from producers.files.sheet_rows import MAX_COLUMNS, MAX_MERGED
from provisioning.errors import InvalidInputError
from tests.fixtures.workbook import MAIN, workbook

ROW = '<row r="1"><c t="inlineStr"><is><t>key</t></is></c><c t="inlineStr"><is><t>bot.id</t></is></c></row>'
JOB = ROW.replace('"1"', '"2"').replace("key", "a").replace("bot.id", "100")


def read(content: bytes, options: ReadOptions = ReadOptions()) -> tuple[str, ...]:  # noqa: B008 - frozen
    with Reading(io.BytesIO(content), options) as reading:
        list(reading)
        return tuple(map(str, reading.notes))


def sheet(before: str = "", after: str = "") -> bytes:
    xml = f'<worksheet xmlns="{MAIN}">{before}<sheetData>{ROW}{JOB}</sheetData>{after}</worksheet>'
    return workbook([], sheet_xml=xml)


@pytest.mark.parametrize(
    "bounds", [Bounds(sheet=100), Bounds(texts=10), Bounds(other=10)], ids=["sheet", "texts", "other"]
)
def test_each_kind_of_part_has_its_bound(bounds: Bounds) -> None:
    book = workbook([["key", "bot.id"], ["a", "100"]])
    assert read(book) == ()
    with pytest.raises(InvalidInputError, match="unpacks to too much"):
        read(book, ReadOptions(bounds=bounds))


def test_an_archive_of_very_many_parts_is_refused_before_they_are_listed() -> None:
    file = io.BytesIO(workbook([["key", "bot.id"], ["a", "100"]]))
    with zipfile.ZipFile(file, "a") as archive:
        for n in range(MAX_DIRECTORY_BYTES // 1000):
            archive.writestr("x" * 1000 + str(n), b"")
    with pytest.raises(InvalidInputError, match="more parts than any workbook"):
        read(file.getvalue())


def test_a_part_packed_in_a_way_that_takes_much_memory_is_refused() -> None:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook([["key", "bot.id"], ["a", "100"]]))) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as new,
    ):
        for part in old.namelist():
            new.writestr(part, old.read(part))
    with pytest.raises(InvalidInputError, match="packed in a way that no spreadsheet writes"):
        read(file.getvalue())


def test_very_many_merged_ranges_make_a_note_and_no_more() -> None:
    merged = '<mergeCell ref="A1:B2"/>' * (MAX_MERGED + 10)
    [note] = read(sheet(after=f"<mergeCells>{merged}</mergeCells>"))
    assert "merged" in note


def test_columns_described_again_and_again_are_refused_and_listed_once() -> None:
    wide = f'<col min="1" max="{MAX_COLUMNS}" hidden="1"/>'
    [note] = read(sheet(before=f"<cols>{wide * MAX_COLUMNS}</cols>"))
    assert note.endswith(": A, B")
    with pytest.raises(InvalidInputError, match="a column more than once"):
        read(sheet(before=f"<cols>{wide * (MAX_COLUMNS + 1)}</cols>"))
