"""
A table beside the tenants' file: opened by the same reader, in the same formats, judged cell by cell.

What a person exports elsewhere goes through the same spreadsheets as FILE, and is damaged by them alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from producers.cells import unescape
from producers.csv_file import CsvRows, RawRow
from producers.source import Format, Source
from producers.text import Lines
from producers.xlsx_file import XlsxRows
from provisioning.errors import InvalidInputError, InvalidJobError


class Table:
    """
    The rows of a CSV, TSV or Excel file that has a header, also packed or from a pipe; iterate once.

    Every row comes as its cells, as many as there are headers, or as what is wrong with it. An apostrophe
    that an outcome file put before a cell is taken off.

    Args:
        where: a path, `-` for standard input, or an open binary stream.
        familiar: tells a header that is looked for, to find the delimiter by.
        encoding: of the text; found out if None.
        delimiter: what separates the cells; found out if None.

    Attributes:
        name: what messages call the file.
        headers: the first row that is not blank, without spaces around its cells.

    Raises: InvalidInputError if it cannot be read as a table, at the start or while iterating.
    """

    def __init__(
        self,
        where: str | Path | BinaryIO,
        *,
        familiar: Callable[[str], bool],
        encoding: str | None = None,
        delimiter: str | None = None,
    ) -> None:
        self._source = Source(where)
        self.name = self._source.name
        self._lines: Lines | None = None
        self._sheet_notes: list[str] = []
        try:
            self._rows = self._opened(familiar, encoding, delimiter)
        except BaseException:
            self.close()
            raise
        self.headers = tuple(unescape(header).strip() for header in self._rows.headers)

    def _opened(
        self, familiar: Callable[[str], bool], encoding: str | None, delimiter: str | None
    ) -> CsvRows | XlsxRows:
        match self._source.format:
            case Format.XLSX:
                sheet = XlsxRows(self._source.seekable(), self.name)
                self._sheet_notes = sheet.notes
                return sheet
            case Format.JSONL:
                raise InvalidInputError(
                    f"{self.name} is JSON; a table is wanted here", hint="export it as CSV or .xlsx"
                )
            case Format.TSV:
                delimiter = delimiter or "\t"
            case Format.CSV:
                pass
        self._lines = Lines(self._source.chunks(), encoding)
        return CsvRows(self._lines, delimiter=delimiter, familiar=familiar)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of how it was read; complete at the end."""
        return (*(self._lines.notes if self._lines is not None else ()), *self._sheet_notes)

    def __iter__(self) -> Iterator[RawRow | InvalidJobError]:
        width = len(self.headers)
        for row in self._rows:
            if isinstance(row, InvalidJobError):
                yield row
            elif len(row.cells) != width and any(cell.strip() for cell in row.cells[width:]):
                yield InvalidJobError(
                    f"the row has {len(row.cells)} cells, more than the {width} headers", row=row.number
                )
            elif len(row.cells) < width:
                yield InvalidJobError(
                    f"the row has {len(row.cells)} cells, fewer than the {width} headers", row=row.number
                )
            else:
                yield RawRow(row.number, [unescape(cell) for cell in row.cells[:width]])
