"""What docs/how-to/excel.md says about workbooks is so; openpyxl writes them, as a person would fill them."""

from __future__ import annotations

import datetime
import io
import json
from typing import Any

import pytest
from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from provisioning.errors import InvalidJobError
from provisioning.job import NewJob
from tests.support.repository import ROOT


def sheet_of(*rows: tuple[Any, ...]) -> tuple[Workbook, Worksheet]:
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    for row in rows:
        sheet.append(row)
    return book, sheet


def read(book: Workbook) -> tuple[list[NewJob | InvalidJobError], tuple[str, ...]]:
    file = io.BytesIO()
    book.save(file)
    file.seek(0)
    with Reading(file) as reading:
        return list(reading), tuple(map(str, reading.notes))


def bot_of(job: NewJob | InvalidJobError) -> str:
    assert isinstance(job, NewJob), job.message
    return str(json.loads(job.body)["bot"]["id"])


@pytest.mark.parametrize(
    ("value", "number_format", "bot"),
    [
        ("00123", "@", "00123"),
        ("+593987654321", "@", "+593987654321"),
        ("'+593987654321", "General", "+593987654321"),
        (123, "00000", "00123"),
        (593987654321, "General", "593987654321"),
        (593987654321, "0.00E+00", "593987654321"),
        (123, '"EC"00000', "EC00123"),
        (593987654321, "+0", "+593987654321"),
        (987654321, "000-000-0000", "098-765-4321"),
        ("00123", '"EC"@', "EC00123"),
        (100200300, "[>9]0;00", "100200300"),
        (5551234567, "[<=9999999]###-####;###-###-####", "555-123-4567"),
        (999999999999999, "0", "999999999999999"),
    ],
)
def test_an_id_arrives_as_this(value: object, number_format: str, bot: str) -> None:
    book, sheet = sheet_of(("key", "bot.id"), ("a", value))
    sheet["B2"].number_format = number_format
    [job], _ = read(book)
    assert bot_of(job) == bot


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (12345678901234567, "more than 15 digits"),
        (0.5, "decimals"),
        (True, "truth value"),
        (datetime.date(2026, 3, 1), "is a date"),
        ("1.23457E+11", "scientific notation"),
        ("#N/A", "error value"),
        ("#REF!", "error value"),
    ],
)
def test_an_id_that_a_spreadsheet_has_damaged_is_reported(value: object, said: str) -> None:
    [problem], _ = read(sheet_of(("key", "bot.id"), ("a", value))[0])
    assert isinstance(problem, InvalidJobError)
    assert said in problem.message
    assert (problem.row, problem.field) == (2, "bot.id")


@pytest.mark.parametrize(
    "number_format",
    [
        "#,##0",
        "0.00",
        "0%",
        '"$"#,##0',
        ";;;",
        "0,",
        "[>999999999]0",
        "# ?/?",
        '"x"',
        "0*-",
        "[DBNum1]0",
        "Standard",
    ],
)
def test_an_id_whose_cell_does_not_show_its_digits_is_reported(number_format: str) -> None:
    book, sheet = sheet_of(("key", "bot.id"), ("a", 100200300))
    sheet["B2"].number_format = number_format
    [problem], _ = read(book)
    assert isinstance(problem, InvalidJobError)
    assert problem.message.startswith("Sheet!B2 is ")


def test_a_plus_that_a_number_lost_is_noted_where_others_kept_it() -> None:
    _, notes = read(sheet_of(("key", "bot.id"), ("a", "+593987654321"), ("b", 593987654322))[0])
    assert "did a spreadsheet drop the '+'?" in notes[0]


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (0.5, "0%", "50%"),
        (0.125, "0%", "13%"),
        (-0.5, "0 %", "-50 %"),
        (7, '"n. "0', "n. 7"),
        (-7, "0;(0)", "(7)"),
        (datetime.date(2026, 3, 1), "yyyy-mm-dd", "2026-03-01"),
        (datetime.datetime(2026, 3, 1, 18, 30), "dd\\.mm\\.yy;@", "01.03.26"),
        ("a_x005F_x0041_b", "General", "a_x0041_b"),
    ],
)
def test_a_cell_arrives_as_this(value: object, number_format: str, text: str) -> None:
    book, sheet = sheet_of(("key", "bot.id", "label"), ("a", "1", value))
    sheet["C2"].number_format = number_format
    [job], _ = read(book)
    assert isinstance(job, NewJob)
    assert job.label == text


@pytest.mark.parametrize(
    ("value", "number_format", "shown", "said"),
    [
        (datetime.date(2026, 3, 1), "dd/mm/yyyy", "2026-03-01", "is a date"),
        (datetime.datetime(2026, 3, 1, 12, 30), "dd/mm/yyyy hh:mm", "2026-03-01 12:30:00", "is a date"),
        (datetime.time(9, 5), "h:mm", "09:05:00", "is a date"),
        (datetime.timedelta(hours=36), "[h]:mm:ss", "36:00:00", "is a date"),
        (datetime.date(2026, 3, 1), "d mmm yyyy", "2026-03-01", "is a date"),
        (datetime.date(2026, 3, 1), "mm-dd-yy", "2026-03-01", "is a date"),
        (0.5, "General", "0.5", "decimals"),
        (0.125, "0.0%", "0.125", "decimals"),
        (1.5, "0.00", "1.5", "decimals"),
        (1234567, "#,##0", "1234567", "thousands"),
        (0.5, "0", "0.5", "displayed in"),
        (7, ";;;", "7", "displayed in"),
        ("secret", ";;;", "secret", "displayed in"),
        (True, "General", "true", "truth value"),
        ("#N/A", "General", "#N/A", "error value"),
        (12345678901234567, "0", "1.23456789012346E+16", "more than 15 digits"),
    ],
)
def test_a_cell_that_cannot_be_text_is_a_problem_in_whatever_column(
    value: object, number_format: str, shown: str, said: str
) -> None:
    book, sheet = sheet_of(("key", "bot.id", "label"), ("a", "1", value))
    sheet["C2"].number_format = number_format
    [problem], _ = read(book)
    assert isinstance(problem, InvalidJobError)
    assert problem.message.startswith("Sheet!C2 ")
    assert said in problem.message
    assert (problem.row, problem.field, problem.value) == (2, "label", shown)


def test_whatever_stands_in_a_column_that_is_passed_over_is_no_problem() -> None:
    book, _ = sheet_of(("key", "bot.id", "made"), ("a", "1", datetime.date(2026, 3, 1)), ("b", "2", "=1/0"))
    file = io.BytesIO()
    book.save(file)
    file.seek(0)
    assert all(isinstance(job, NewJob) for job in Reading(file, ReadOptions(maps={"made": ""})))


def test_true_and_false_are_what_a_flag_wants() -> None:
    [job], _ = read(sheet_of(("key", "bot.id", "widget.theme.status"), ("a", "1", True))[0])
    assert isinstance(job, NewJob)
    assert json.loads(job.body)["widget"] == {"theme": {"status": True}}


def test_hidden_rows_are_read_and_a_merged_value_is_only_in_its_first_cell() -> None:
    book, sheet = sheet_of(("key", "bot.id", "label"), ("a", "1", "both"), ("b", "2", None), ("c", "3", "c"))
    sheet.merge_cells("C2:C3")
    sheet.row_dimensions[4].hidden = True
    sheet.column_dimensions["C"].hidden = True
    jobs, notes = read(book)
    assert [job.label for job in jobs if isinstance(job, NewJob)] == ["both", "", "c"]
    assert notes == (
        "hidden rows were read like all others: row 4",
        "hidden columns were read like all others: C",
        "of merged cells only the first has the value: C2:C3",
    )


def test_of_a_formula_only_the_result_kept_with_it_counts() -> None:
    [problem], _ = read(sheet_of(("key", "bot.id"), ("a", '="10"&"0"'))[0])
    assert isinstance(problem, InvalidJobError)
    assert problem.message == "Sheet!B2 is a formula without a saved result"


def test_the_first_visible_sheet_is_read_and_the_others_are_named() -> None:
    book, sheet = sheet_of(("key", "bot.id"), ("a", "1"))
    hidden = book.create_sheet("Hidden", 0)
    hidden.sheet_state = "hidden"
    book.create_sheet("Old")
    sheet.title = "Tenants"
    jobs, notes = read(book)
    assert [bot_of(job) for job in jobs] == ["1"]
    assert notes == (
        "only the first sheet, 'Tenants', was read; there are also 'Old' (--sheet NAME reads one)",
        "hidden sheets were not read: 'Hidden'",
    )


def test_blank_rows_are_passed_over_and_rows_keep_the_numbers_that_excel_shows() -> None:
    book, sheet = sheet_of()
    for column, header in enumerate(("key", "bot.id"), 1):
        sheet.cell(3, column, header)
    sheet.cell(7, 1, "a")
    [problem], notes = read(book)
    assert isinstance(problem, InvalidJobError)
    assert problem.row == 7
    assert notes == ("5 blank rows were passed over",)


@pytest.mark.parametrize("text", ["VERDADERO", "true", "sí", "1"])
def test_truth_in_the_words_of_a_spreadsheet(text: str) -> None:
    content = f"key;bot.id;widget.theme.status\r\na;1;{text}\r\n".encode("utf-8-sig")
    [job] = Reading(io.BytesIO(content))
    assert isinstance(job, NewJob)
    assert json.loads(job.body)["widget"] == {"theme": {"status": True}}


def test_the_page_is_there() -> None:
    assert (ROOT / "docs" / "how-to" / "excel.md").exists()
