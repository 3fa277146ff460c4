"""
A table of any kind, opened: FILE, and whatever lies beside it, by one reader and under the same rules.

What a person exports elsewhere goes through the same spreadsheets as FILE, and is damaged by them alike.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from producers.files.body import shorten
from producers.files.cell_kinds import problem_of
from producers.files.cells import unescape
from producers.files.csv_file import CsvRows, RawRow
from producers.files.file_kinds import Format
from producers.files.header_row import HeaderRule
from producers.files.package import OWN_FILE, Bounds
from producers.files.short_rows import Rules, ShortRows
from producers.files.source import Source
from producers.files.text import Lines
from producers.files.xlsx_file import XlsxRows
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.text import Text

_LONG_HINT = Text(
    "a cell that holds the delimiter or a line break must stand in double quotes; a column needs a header"
)


class Table:
    """
    The rows of a CSV, TSV or Excel file that has a header, also packed or from a pipe; iterate once.

    Args:
        source: the bytes; the table closes them.
        rule: what the headers look like, to find them and the delimiter by.
        encoding: of the text; found out if None.
        delimiter: what separates the cells; found out if None.
        sheet: of a workbook, the one to be read; the first visible one if None.
        bounds: of what a workbook may unpack to.

    Attributes:
        name: what messages call the file.
        headers: without spaces around them, and without the apostrophe that an outcome file put before one.
        delimiter: what separates the cells of a CSV row; "" for a workbook.

    Raises: InvalidInputError if it cannot be read as a table, at the start or while iterating.
    """

    def __init__(
        self,
        source: Source,
        rule: HeaderRule,
        *,
        encoding: str | None = None,
        delimiter: str | None = None,
        sheet: str | None = None,
        bounds: Bounds = OWN_FILE,
    ) -> None:
        self._source = source
        self.name = source.name
        self._lines: Lines | None = None
        self._sheet: XlsxRows | None = None
        self._short: ShortRows | None = None
        self._rows: CsvRows | XlsxRows
        if sheet is not None and source.format is not Format.XLSX:
            raise InvalidInputError(
                Text("{name} has no sheets: it is {format}", name=self.name, format=source.format),
                hint="leave --sheet out",
            )
        if source.format is Format.XLSX:
            self._rows = self._sheet = XlsxRows(source.seekable(), rule, self.name, sheet, bounds)
            self.delimiter = ""
        elif source.format is Format.JSONL:
            raise InvalidInputError(
                Text("{name} is JSON; a table is wanted here", name=self.name),
                hint="export it as CSV or .xlsx",
            )
        else:
            self._lines = Lines(source.chunks(), encoding)
            if source.format is Format.TSV:
                delimiter = delimiter or "\t"
            self._rows = rows = CsvRows(self._lines, rule, delimiter=delimiter)
            self.delimiter = rows.delimiter
        self.headers = tuple(unescape(header).strip() for header in self._rows.headers)

    @classmethod
    def at(
        cls,
        where: str | Path | BinaryIO,
        rule: HeaderRule,
        *,
        encoding: str | None = None,
        delimiter: str | None = None,
        sheet: str | None = None,
        bounds: Bounds = OWN_FILE,
    ) -> Self:
        """The table in a file, in standard input (`-`), or in an open binary stream."""
        source = Source(where, can_say=False)
        try:
            return cls(source, rule, encoding=encoding, delimiter=delimiter, sheet=sheet, bounds=bounds)
        except BaseException:
            source.close()
            raise

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
    def encoding(self) -> str:
        """What its text was taken for, as far as it was read; "" for a workbook."""
        return self._lines.encoding if self._lines is not None else ""

    @property
    def blank(self) -> int:
        """Blank rows passed over so far."""
        return self._rows.blank

    @property
    def notes(self) -> tuple[Text, ...]:
        """What a person should know of how it was read; complete at the end."""
        notes = [*(self._lines.notes if self._lines is not None else ()), *self._rows.notes]
        if self._short is not None and (padded := self._short.note()):
            notes.append(padded)
        return tuple(notes)

    def rows(self, rules: Rules | None = None) -> Iterator[RawRow | InvalidJobError]:
        """
        The rows, each with as many cells as there are headers, as they stand; or what is wrong with one.

        Cells beyond the headers are nothing if they are empty. Last cells that are missing are empty, as far
        as `short_rows` says.

        Args:
            rules: what tells that a row was broken; only what every table has if None.
        """
        width = len(self.headers)
        rules = rules or Rules()
        self._short = short = ShortRows(self.headers, rules)
        held = short.held
        # The next line may tell that a row was broken in its last cell.
        waiting: RawRow | None = None
        broken_off: InvalidInputError | None = None
        try:
            for row in self._rows:
                if type(row) is RawRow and len(row.cells) == width and not held:
                    if waiting is not None:
                        yield waiting
                    waiting = row  # as nearly every row does
                    continue
                if waiting is not None:
                    yield from short.add(waiting)
                    waiting = None
                if isinstance(row, InvalidJobError):
                    yield from short.end()
                    yield row
                    continue
                goes_on = bool(row.cells[-1].strip())
                refused = self._cut_to(width, row, rules.shown)
                yield from short.add(row, refused, goes_on=goes_on)
                waiting = short.whole()
        except InvalidInputError as error:
            broken_off = error
        if waiting is not None:
            yield waiting
        yield from short.end(cut=self._lines is not None and self._lines.cut)
        if broken_off is not None:
            raise broken_off

    @staticmethod
    def _cut_to(width: int, row: RawRow, shown: Callable[[Sequence[str]], str]) -> InvalidJobError | None:
        """Takes empty cells beyond the headers from the row. Returns: the problem that one is not empty."""
        beyond = [cell for cell in row.cells[width:] if cell.strip()]
        if beyond:
            more = Text(
                "the row has {count} cells, more than the {headers} headers",
                count=len(row.cells),
                headers=width,
            )
            there = Text("{more}: {cell!r} stands there", more=more, cell=shorten(beyond[0]))
            return InvalidJobError(
                there if shown(beyond[:1]) else more,
                row=row.number,
                value=shown(row.cells),
                hint=_LONG_HINT,
            )
        del row.cells[width:]
        return None

    def texts(self, used: Collection[int], alike: int | None = None) -> Iterator[RawRow | InvalidJobError]:
        """
        The rows with their texts as they once were: without the apostrophe that an outcome file puts before a
        cell. A cell of a used column that holds no text is a problem. No message repeats a value.
        """
        paths = ["key" if column in used else "" for column in range(len(self.headers))]
        for row in self.rows(Rules(identifiers=used, alike=alike)):
            if isinstance(row, InvalidJobError):
                yield row
            elif row.kinds is not None and (wrong := self.wrong_kinds(row, paths, used)):
                yield wrong[0]
            else:
                yield RawRow(row.number, [unescape(cell) for cell in row.cells])

    def wrong_kinds(
        self, row: RawRow, paths: Sequence[str], secret: Collection[int]
    ) -> list[InvalidJobError]:
        """
        The problems of a workbook's cells that hold what their columns may not.

        Args:
            paths: what each column means; "" for one that is passed over.
            secret: columns whose cells no message repeats.
        """
        problems: list[InvalidJobError] = []
        for column, kind in sorted((row.kinds or {}).items()):
            path = paths[column] if column < len(paths) else ""
            if self._sheet is not None and (wrong := problem_of(kind, path)):
                problems.append(
                    InvalidJobError(
                        Text(
                            "{address} {wrong}",
                            address=self._sheet.address(row.number, column),
                            wrong=wrong[0],
                        ),
                        row=row.number,
                        field=self.headers[column],
                        value="(not shown)" if column in secret else shorten(row.cells[column]),
                        hint=wrong[1],
                    )
                )
        return problems
