"""What is read of ExcelJS's workbooks is what it was given, as a person sees it, or a problem."""

from __future__ import annotations

import datetime
import io
import re
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from producers.files.xlsx_file import XlsxRows
from tests.workbooks import npm
from tests.workbooks.cells import FIRST_ROW, TEXTS, Cell, problems, tables

LOST = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]|_x[0-9A-Fa-f]{4}_")
"""What ExcelJS does not write, or writes so that a spreadsheet shows something else."""

BOOKS = st.tuples(
    tables(TEXTS.map(lambda text: LOST.sub("-", text))), st.booleans(), st.booleans(), st.booleans()
)
"""A table, whether it is written as a stream, with shared texts, and with days counted from 1904."""


def described(cell: Cell) -> dict[str, Any] | None:
    """A cell as the script takes it."""
    if cell.value is None:
        return None
    if isinstance(cell.value, datetime.date):
        return {"date": (cell.value - datetime.date(1970, 1, 1)).days, "code": cell.code}
    return {"value": cell.value, "code": cell.code}


# One process of Node for many workbooks: it takes longer to start than to write them.
@given(books=st.lists(BOOKS, min_size=40, max_size=40))
@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_what_is_read_is_what_was_given(books: list[tuple[list[list[Cell]], bool, bool, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workbooks = [
            {
                "rows": [
                    [{"value": f"h{column}", "code": "General"} for column in range(len(table[0]))],
                    *([described(cell) for cell in row] for row in table),
                ],
                "stream": stream,
                "shared": shared,
                "date1904": since_1904,
            }
            for table, stream, shared, since_1904 in books
        ]
        paths = npm.run("exceljs.js", {"folder": folder, "workbooks": workbooks})
        wrong = {
            f"{workbook['stream']=} {workbook['shared']=} {workbook['date1904']=}": found
            for (table, *_), workbook, path in zip(books, workbooks, paths, strict=True)
            if (found := problems(Path(path).read_bytes(), table))
        }
    assert wrong == {}, "\n".join(line for lines in wrong.values() for line in lines)


def test_what_it_does_not_escape_is_read_as_spreadsheets_show_it(tmp_path: Path) -> None:
    texts = ["_x0041_", "a_x005F_x0041_", "a\rb", "a\r\nb", "a\x01b", "_xD83D__xDE00_", "_X0041_"]
    rows = [[{"value": text, "code": "General"}] for text in ["h", *texts]]
    for shared in (False, True):
        workbook = {"rows": rows, "stream": True, "shared": shared, "date1904": False}
        [path] = npm.run("exceljs.js", {"folder": str(tmp_path), "workbooks": [workbook]})
        read = [row.cells[0] for row in XlsxRows(io.BytesIO(Path(path).read_bytes()), FIRST_ROW)]
        assert read == ["A", "a_x0041_", "a\nb", "a\nb", "ab", "😀", "_X0041_"]
