"""Cells as hypothesis draws them, each with what a person sees of it, said without our reader's code."""

from __future__ import annotations

import datetime
import io
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from producers.files.cell_kinds import problem_of
from producers.files.header_row import HeaderRule
from producers.files.xlsx_file import XlsxRows

FIRST_ROW = HeaderRule(familiar=bool, certain=bool)
"""The headers are in the first row, whatever they are."""

Value = str | int | float | bool | datetime.date | None


@dataclass(frozen=True)
class Cell:
    """
    A cell to be written.

    Attributes:
        seen: the text that everybody sees; None if it must be a problem of the cell.
        code: the format that shows it.
    """

    value: Value
    seen: str | None
    code: str = "General"


ODD_TEXTS = [
    *(
        "_x005F_",
        "_x0041_",
        "_x005F_x0041_",
        "_X0041_",
        "_x00e9_",
        "__x0041__",
        "_xD83D__xDE00_",
        "_x000D_\n",
    ),
    *(
        " a ",
        "\n",
        "\r\n",
        "=1+1",
        "'00123",
        "00123",
        "1E5",
        "TRUE",
        "#N/A",
        "&amp;",
        "]]>",
        "<t>",
        "a\tb",
        "\xa0a",
    ),
]

# What XML, spreadsheets, CSV and the escapes of workbooks treat in their own ways.
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
    st.text(
        st.sampled_from("_x005FdDaA0 \t\n\r'=+-@\"<>&;,\x00\x01\x0b\x1f\x7f\x85\u2028\ufeffé😀"),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(ODD_TEXTS),
)

PLAIN_TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1, max_size=12).filter(
    lambda text: "_x" not in text
)
"""For what XlsxWriter writes as it is given it, without escapes."""


def texts(text: str) -> list[Cell]:
    return [
        *(Cell(text, text, code) for code in ("General", "@", "0", "00000", "0%", "yyyy-mm-dd", "0;-0;0;@")),
        *(
            Cell(text, f"EC{text}" if "\n" not in text else None, code)
            for code in ('"EC"@', '0;0;0;"EC"@', "_-\\E\\C@_-")
        ),
        *(Cell(text, None, code) for code in (";;;", '0;0;0;"x"')),
    ]


def numbers(number: int) -> list[Cell]:
    digits = f"{abs(number):d}"
    sign = "-" if number < 0 else ""
    return [
        *(
            Cell(number, f"{number}", code)
            for code in ("General", "0", "@", "0.00E+00", "0_)", "[Red]0", "0;-0;0;@")
        ),
        Cell(number, sign + digits.zfill(5), "00000"),
        Cell(number, f"{sign}EC{digits.zfill(5)}", '"EC"00000'),
        Cell(number, f"{sign}+{digits}" if number >= 0 else f"-+{digits}", "+0"),
        Cell(number, f"({digits})" if number < 0 else digits, "0;(0)"),
        *(
            Cell(number, None, code)
            for code in ("#,##0", "0.00", ";;;", "# ?/?", '"$"#,##0.00', "0,", "d/m/yyyy", "h:mm")
        ),
    ]


def dates(date: datetime.date) -> list[Cell]:
    return [
        Cell(date, date.isoformat(), "yyyy-mm-dd"),
        Cell(date, f"{date.day:02}.{date.month:02}.{date.year % 100:02}", "dd.mm.yy"),
        *(Cell(date, None, code) for code in ("dd/mm/yyyy", "d mmm yyyy", "yyyy-mm-dd hh:mm")),
    ]


def tables(some: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[Cell]]]:
    """Tables of all kinds of cells, with these texts."""
    cells: st.SearchStrategy[Cell] = st.one_of(
        st.just(Cell(None, "")),
        some.flatmap(lambda text: st.sampled_from(texts(text))),
        some.map(lambda text: Cell(text, text)),
        st.integers(-(10**15) + 1, 10**15 - 1).flatmap(lambda number: st.sampled_from(numbers(number))),
        st.integers(10**15, 10**20).map(lambda number: Cell(number, None, "0")),
        st.floats(0.001, 1e9).filter(lambda number: number % 1 > 0).map(lambda number: Cell(number, None)),
        st.integers(0, 500).map(lambda number: Cell(number / 100, f"{number}%", "0%")),
        st.booleans().map(lambda flag: Cell(flag, None)),
        st.dates(datetime.date(1904, 1, 2), datetime.date(9999, 12, 31)).flatmap(
            lambda date: st.sampled_from(dates(date))
        ),
    )
    return st.integers(1, 5).flatmap(
        lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=6)
    )


def problems(content: bytes, table: Sequence[Sequence[Cell]], *, top: int = 0) -> list[str]:
    """
    Where what is read is not what was given.

    Args:
        content: a workbook whose first sheet holds headers, and then the table.
        table: what it was made of.
        top: blank rows above the headers.
    """
    sheet = XlsxRows(io.BytesIO(content), FIRST_ROW)
    rows = {row.number: row for row in sheet}
    wrong: list[str] = []
    for number, given in enumerate(table, top + 2):
        row = rows.pop(number, None)
        for column, cell in enumerate(given):
            where = sheet.address(number, column)
            text = row.cells[column] if row is not None else ""
            kind = (row.kinds or {}).get(column) if row is not None else None
            told = kind is not None and problem_of(kind, "label") is not None
            if told if cell.seen is not None else not told:
                wrong.append(f"{where}: {cell} is {kind}, {text!r}")
            elif cell.seen is not None and text != cell.seen and (row is not None or cell.seen.strip()):
                wrong.append(f"{where}: {cell} is read as {text!r}")
    wrong += [f"row {number} is none of those given: {row.cells}" for number, row in rows.items()]
    return wrong
