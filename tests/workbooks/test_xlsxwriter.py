"""What is read of XlsxWriter's workbooks is what it was given, as a person sees it, or a problem."""

from __future__ import annotations

import datetime
import io
from collections.abc import Sequence
from typing import Any

import xlsxwriter
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from producers.files.cell_kinds import CellKind
from producers.files.reading import Reading
from producers.files.xlsx_file import XlsxRows
from provisioning.job import NewJob
from tests.workbooks.cells import FIRST_ROW, PLAIN_TEXTS, TEXTS, Cell, problems, tables


def written(
    table: Sequence[Sequence[Cell]], *, headers: Sequence[str] = (), top: int = 0, **options: Any
) -> bytes:
    """A workbook with headers and this table, by XlsxWriter."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True, **options}) as book:
        sheet = book.add_worksheet("Tiendas")
        formats = {cell.code: book.add_format({"num_format": cell.code}) for row in table for cell in row}
        for column in range(len(table[0])):
            sheet.write_string(top, column, headers[column] if headers else f"h{column}")
        for row, cells in enumerate(table, top + 1):
            for column, cell in enumerate(cells):
                write(sheet, row, column, cell, formats[cell.code])
    return file.getvalue()


def write(sheet: Any, row: int, column: int, cell: Cell, code: Any) -> None:
    match cell.value:
        case None:
            pass
        case bool():
            sheet.write_boolean(row, column, cell.value, code)
        case str():
            sheet.write_string(row, column, cell.value, code)
        case datetime.date():
            sheet.write_datetime(row, column, cell.value, code)
        case _:
            sheet.write_number(row, column, cell.value, code)


@given(table=tables(TEXTS), inline=st.booleans(), since_1904=st.booleans(), top=st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_what_is_read_is_what_was_given(
    table: list[list[Cell]], inline: bool, since_1904: bool, top: int
) -> None:
    options: dict[str, Any] = {"constant_memory": inline, "date_1904": since_1904}
    assert problems(written(table, top=top, **options), table, top=top) == []


@given(
    hidden_rows=st.sets(st.integers(1, 5)),
    hidden_columns=st.sets(st.integers(0, 3)),
    merged=st.sets(st.sampled_from([(1, 0, 2, 0), (1, 1, 1, 3), (3, 2, 5, 3)])),
    outline=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_hidden_and_merged_cells_are_read_and_told(
    hidden_rows: set[int], hidden_columns: set[int], merged: set[tuple[int, int, int, int]], outline: bool
) -> None:
    file = io.BytesIO()
    covered = {
        (row, column)
        for top, left, bottom, right in merged
        for row in range(top, bottom + 1)
        for column in range(left, right + 1)
        if (row, column) != (top, left)
    }
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for place in merged:
            sheet.merge_range(*place, "")
        for row in range(6):
            for column in range(4):
                if (row, column) not in covered:
                    sheet.write_string(row, column, f"{row}.{column}")
        for row in hidden_rows:
            sheet.set_row(row, None, None, {"hidden": True, "level": int(outline)})
        for column in hidden_columns:
            sheet.set_column(column, column, None, None, {"hidden": True, "level": int(outline)})
    read = XlsxRows(io.BytesIO(file.getvalue()), FIRST_ROW)
    assert read.headers == ("0.0", "0.1", "0.2", "0.3")
    assert [row.cells for row in read] == [
        ["" if (row, column) in covered else f"{row}.{column}" for column in range(4)] for row in range(1, 6)
    ]
    notes = [str(note).split(":")[0] for note in read.notes]
    assert notes == [
        *(["hidden rows were read like all others"] if hidden_rows else []),
        *(["hidden columns were read like all others"] if hidden_columns else []),
        *(["of merged cells only the first has the value"] if merged else []),
    ]


@given(result=PLAIN_TEXTS | st.integers(-5, 10**12) | st.none(), inline=st.booleans())
@settings(max_examples=150, deadline=None)
def test_of_a_formula_the_result_is_read_and_none_is_a_problem(
    result: str | int | None, inline: bool
) -> None:
    assume(not isinstance(result, str) or not _taken_for_another_type(result))
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True, "constant_memory": inline}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["key", "label"])
        sheet.write_string(1, 0, "k")
        # XlsxWriter computes nothing: a result is what its caller says, and 0 if that says nothing.
        sheet.write_formula(1, 1, "=B9", None, *([] if result is None else [result]))
    [row] = XlsxRows(io.BytesIO(file.getvalue()), FIRST_ROW)
    if not result:
        assert row.kinds == {1: CellKind.UNCOMPUTED}
    else:
        assert (row.cells[1], row.kinds) == (str(result), None)


def _taken_for_another_type(text: str) -> bool:
    """XlsxWriter finds out what a formula's result is: numbers, truth values and errors by their look."""
    try:
        float(text)
    except ValueError:
        return text.startswith("#") or text in ("TRUE", "FALSE")
    return True


@given(runs=st.lists(PLAIN_TEXTS, min_size=2, max_size=4))
@settings(max_examples=150, deadline=None)
def test_the_runs_of_a_rich_text_are_joined(runs: list[str]) -> None:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        bold = book.add_format({"bold": True})
        sheet = book.add_worksheet()
        sheet.write_string(0, 0, "h")
        sheet.write_rich_string(1, 0, *(part for run in runs for part in (bold, run)))
    text = "".join(runs)
    rows = [[text]] if text.strip() else []  # a row of blanks is none
    assert [row.cells for row in XlsxRows(io.BytesIO(file.getvalue()), FIRST_ROW)] == rows


def test_keys_and_ids_of_a_workbook_become_jobs_or_problems_that_name_their_cells() -> None:
    table = [
        [Cell("00123", "00123"), Cell(593987654321, "593987654321")],
        [Cell(7, "00007", "00000"), Cell(987654321, "EC987654321", '"EC"00000')],
        [Cell("c", "c"), Cell(1234567, None, "#,##0")],
        [Cell(datetime.date(2026, 3, 1), "2026-03-01", "yyyy-mm-dd"), Cell("100200300", "100200300")],
    ]
    with Reading(io.BytesIO(written(table, headers=("key", "bot.id")))) as reading:
        jobs = list(reading)
    assert [job.key for job in jobs if isinstance(job, NewJob)] == ["00123", "00007"]
    assert [problem.message.split(" ")[0] for problem in jobs if not isinstance(problem, NewJob)] == [
        "Tiendas!B4",
        "Tiendas!A5",
    ]
