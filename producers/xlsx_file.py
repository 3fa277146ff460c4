"""
The first visible sheet of an Excel file as rows of text, streamed by openpyxl.

Measured by `script/measure-intake` on a busy machine, twelve columns, in rows a second of its own CPU: 3 700
with the texts in the cells, and 112 MiB at a million rows; 5 300 with the texts in the shared table, which
openpyxl holds in memory: 701 MiB at four million different texts (docs/explanation/intake.md). About half of
the time is defusedxml's, which openpyxl asks for where files come from strangers.

Source: ECMA-376 part 1, §18.3 (worksheets), §18.4 (shared strings).
"""

from __future__ import annotations

import contextlib
import warnings
import zipfile
from collections.abc import Iterator
from typing import IO

from defusedxml.common import DefusedXmlException
from openpyxl import load_workbook
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from producers.csv_file import RawRow
from producers.number_format import shown
from provisioning.errors import InvalidInputError

MAX_ROWS = 1_048_576
"""Excel's own limit. openpyxl makes up the rows that a sheet leaves out, so a lying row number needs one."""

MAX_SHEET_BYTES = 4 * 1024**3
"""Bytes of one sheet, unpacked. It is streamed; a million rows of twelve columns have some 700 MB."""

MAX_PART_BYTES = 512 * 1024**2
"""Bytes of any other part, unpacked: openpyxl holds them in memory, above all the shared texts."""

MAX_RATIO = 200
"""How many times larger than packed a large part may be: a sheet 10 to 40, a file made to explode 1000."""

_LARGE = 16 * 1024**2

_SAVE_ANEW = "open it in Excel and save it as .xlsx, or export CSV UTF-8"

# openpyxl warns of what it does not keep (drop-down lists, print areas): nothing that a reader misses.
warnings.filterwarnings("ignore", category=UserWarning, module=r"openpyxl\.")


class XlsxRows:
    """
    The records of an Excel file's first visible sheet, streamed.

    Args:
        file: the workbook; seekable.
        name: what messages call it.

    Attributes:
        headers: the first row that is not blank.
        blank: blank rows passed over so far.
        notes: what a person should know, such as further sheets that were not read.

    Raises: InvalidInputError if it is no workbook, holds no rows, or, while iterating, is damaged.
    """

    def __init__(self, file: IO[bytes], name: str = "the file") -> None:
        self._name = name
        self.blank = 0
        self.notes: list[str] = []
        self._rows = self._guarded(file)
        first = next(self._rows, None)
        if first is None:
            raise InvalidInputError(
                f"the first sheet of {name} is empty",
                hint="the first row holds the headers, such as key and bot.id",
            )
        self.headers = tuple(cell.strip() for cell in first.cells)

    def __iter__(self) -> Iterator[RawRow]:
        width = len(self.headers)
        for row in self._rows:
            # A sheet does not write the empty cells at the end of a row.
            if len(row.cells) < width:
                row.cells.extend([""] * (width - len(row.cells)))
            yield row

    def _guarded(self, file: IO[bytes]) -> Iterator[RawRow]:
        row = 0
        try:
            for record in self._read(file):
                row = record.number
                if any(cell.strip() for cell in record.cells):
                    yield record
                else:
                    self.blank += 1
        except InvalidInputError:
            raise
        except Exception as exc:  # a damaged file makes openpyxl raise almost anything
            raise self._translated(exc, row) from exc

    def _translated(self, exc: Exception, row: int) -> InvalidInputError:
        cause = exc.__cause__ or exc  # openpyxl wraps some errors into words that say less
        if isinstance(cause, DefusedXmlException):
            # Entities that expand to gigabytes must be declared first.
            return InvalidInputError(
                f"{self._name} declares XML entities, which no spreadsheet writes", hint=_SAVE_ANEW
            )
        after = f" after row {row}" if row else ""
        reason = " ".join(str(cause).split()) or type(cause).__name__
        return InvalidInputError(
            f"{self._name} cannot be read as an Excel file{after}: {reason}", hint=_SAVE_ANEW
        )

    def _read(self, file: IO[bytes]) -> Iterator[RawRow]:
        with zipfile.ZipFile(file) as archive:
            self._check_parts(archive.infolist())
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        with contextlib.closing(book):
            visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
            if not visible:
                raise InvalidInputError(f"{self._name} has no visible sheet", hint=_SAVE_ANEW)
            sheet, *others = visible
            if others:
                titles = ", ".join(repr(other.title) for other in others[:5])
                self.notes.append(f"only the first sheet, {sheet.title!r}, was read; there are also {titles}")
            # The size that a sheet claims to have may be wrong, and what lies beyond it would be left out.
            if isinstance(sheet, ReadOnlyWorksheet):
                sheet.reset_dimensions()
            for number, row in enumerate(sheet.iter_rows(), 1):
                if number > MAX_ROWS:
                    raise InvalidInputError(
                        f"{self._name} has a row beyond {MAX_ROWS:,}, the last that Excel allows",
                        hint=_SAVE_ANEW,
                    )
                yield RawRow(number, [shown(cell.value, cell.number_format) for cell in row])

    def _check_parts(self, parts: list[zipfile.ZipInfo]) -> None:
        """Refuses what would not fit into memory; zipfile never unpacks more than a part says it has."""
        if not any(part.filename == "[Content_Types].xml" for part in parts):
            raise InvalidInputError(
                f"{self._name} is a ZIP archive, not an Excel file",
                hint="save it as .xlsx, or export CSV UTF-8",
            )
        for part in parts:
            sheet = part.filename.startswith("xl/worksheets/")
            most = MAX_SHEET_BYTES if sheet else MAX_PART_BYTES
            if part.file_size > most or (
                part.file_size > _LARGE and part.file_size > part.compress_size * MAX_RATIO
            ):
                raise InvalidInputError(
                    f"{self._name} unpacks to too much: {part.filename} has {part.file_size:,} bytes",
                    hint="export CSV UTF-8, which can be of any size",
                )
