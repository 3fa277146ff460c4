"""
One sheet of an Excel file as rows of text, streamed by a reader of our own.

None of the libraries that were compared tells a formula without a result from an empty cell, keeps cells that
are out of order, and knows how a number is shown (docs/decisions/0020-our-own-workbook-reader.md).
"""

from __future__ import annotations

import errno
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import IO

from producers.files.cell_kinds import CellKind
from producers.files.cell_values import CellValues
from producers.files.csv_file import RawRow
from producers.files.header_row import SEARCHED, HeaderRule, passed_over
from producers.files.package import OWN_FILE, SAVE_ANEW, Bounds, Package, Sheet
from producers.files.sheet_rows import SheetRows, letters
from producers.files.source import StoppedError, unreadable
from provisioning.errors import InvalidInputError
from provisioning.text import AnyText, Text, plural

_NAMED = 5

_DAMAGED = (None, errno.EINVAL)
"""What the system says where a damaged file leads to a place that cannot be."""


_THE_FILE = Text("the file")


class XlsxRows:
    """
    The records of one sheet of an Excel file, streamed.

    Args:
        file: the workbook; seekable.
        sheet: title of the sheet to be read, hidden or not; the first visible one if None.
        rule: what the headers look like, to find them by.
        name: what messages call it.
        bounds: of what it may unpack to.

    Attributes:
        headers: of the row that holds them, see `header_row`.

    Raises: InvalidInputError if it is no workbook, holds no rows, or, while iterating, is damaged.
    """

    def __init__(
        self,
        file: IO[bytes],
        rule: HeaderRule,
        name: AnyText = _THE_FILE,
        sheet: str | None = None,
        bounds: Bounds = OWN_FILE,
    ) -> None:
        self._name = name
        self._wanted = sheet
        self._rule = rule
        self._others: list[Sheet] = []
        self._file = file
        self._bounds = bounds
        self._notes: list[Text] = []
        self._sheet: Sheet | None = None
        self._read: SheetRows | None = None
        self._last = 0
        self._rows: Iterator[RawRow] = self._guarded()
        first = next(self._rows, None)
        if first is None:
            raise InvalidInputError(
                Text("the sheet of {name} is empty", name=name)
                if sheet
                else Text("the first sheet of {name} is empty", name=name),
                hint=self._elsewhere() or Text("the first row must hold the headers, such as key and bot.id"),
            )
        if not rule.likely(first.cells):
            first = self._searched(first, rule)
        if not rule.likely(first.cells) and (elsewhere := self._elsewhere()):
            title = self._sheet.title if self._sheet is not None else ""
            raise InvalidInputError(
                Text(
                    "the first sheet of {name}, {title!r}, holds no headers that are known",
                    name=name,
                    title=title,
                ),
                hint=elsewhere,
            )
        self._top = first.number
        for column, kind in (first.kinds or {}).items():
            if kind in (CellKind.UNCOMPUTED, CellKind.ERROR, CellKind.BROKEN):
                raise InvalidInputError(
                    Text(
                        "{name}: the header in {address} has no text to be read",
                        name=name,
                        address=self.address(first.number, column),
                    ),
                    hint="write the header as text",
                )
        self.headers = tuple(cell.strip() for cell in first.cells)

    def _searched(self, first: RawRow, rule: HeaderRule) -> RawRow:
        """The row that holds the headers: one of the next if it certainly does, else the first."""
        rows = [first, *islice(self._rows, SEARCHED - 1)]
        at = next((at for at, row in enumerate(rows) if rule.likely(row.cells)), 0)
        if at:
            titles: list[tuple[int, Sequence[str]]] = [(row.number, row.cells) for row in rows[:at]]
            self._notes += passed_over(titles, rows[at].number)
        self._rows = chain(rows[at + 1 :], self._rows)
        return rows[at]

    def __iter__(self) -> Iterator[RawRow]:
        width = len(self.headers)
        for row in self._rows:
            if row.number < self._top:
                raise InvalidInputError(
                    Text(
                        "{name} has row {number} after row {top}, which was read as the headers",
                        name=self._name,
                        number=row.number,
                        top=self._top,
                    ),
                    hint=SAVE_ANEW,
                )
            # A sheet does not write the empty cells at the end of a row.
            if len(row.cells) < width:
                row.cells.extend([""] * (width - len(row.cells)))
            yield row

    @property
    def blank(self) -> int:
        """Blank rows between and above the others, so far."""
        return self._read.highest - self._read.count if self._read is not None else 0

    @property
    def notes(self) -> list[Text]:
        """What a person should know, such as further sheets that were not read; complete at the end."""
        notes = list(self._notes)
        if (read := self._read) is None:
            return notes
        if read.hidden_rows:
            notes.append(
                plural(
                    "hidden rows were read like all others: row {first}",
                    "hidden rows were read like all others: row {first} and {more:,} more",
                    read.hidden_rows,
                    first=read.first_hidden,
                    more=read.hidden_rows - 1,
                )
            )
        if hidden := self._hidden_columns(read):
            notes.append(Text("hidden columns were read like all others: {listed}", listed=_listed(hidden)))
        if merged := [place for place in read.merged if _last_row(place) >= self._top]:
            notes.append(
                Text("of merged cells only the first has the value: {listed}", listed=_listed(merged))
            )
        return notes

    def address(self, row: int, column: int) -> str:
        """What a spreadsheet calls a cell of the sheet; the column counts from 0."""
        title = self._sheet.title if self._sheet is not None else ""
        if not (title.isalnum() and not title[0].isdigit()):
            title = "'" + title.replace("'", "''") + "'"
        return f"{title}!{letters(column)}{row}"

    def _hidden_columns(self, read: SheetRows) -> list[str]:
        width = len(self.headers)
        found: list[str] = []
        seen = 0
        for first, last in sorted(read.hidden_columns):
            here = range(max(seen, first), min(last, width - 1) + 1)
            found += [letters(column) for column in here if self.headers[column]]
            seen = max(seen, last + 1)  # a damaged file names a column many times
        return found

    def _guarded(self) -> Iterator[RawRow]:
        with self._naming_damage():
            for record in self._records():
                self._last = record.number
                yield record

    @contextmanager
    def _naming_damage(self) -> Iterator[None]:
        """Whatever a damaged file makes the libraries raise becomes an error that names the file."""
        try:
            yield
        except StoppedError:
            raise
        except InvalidInputError as exc:
            raise InvalidInputError(
                Text("{name}: {message}", name=self._name, message=exc.text), hint=exc.advice
            ) from exc
        except Exception as exc:  # a damaged file makes zipfile and expat raise almost anything
            for each in (exc, exc.__context__):  # zipfile takes what the system says for a damage
                if isinstance(each, OSError) and each.errno not in _DAMAGED:
                    raise unreadable(self._name, each) from exc
            reason = " ".join(str(exc).split()) or type(exc).__name__
            raise InvalidInputError(
                Text(
                    "{name} cannot be read as an Excel file after row {row}: {reason}",
                    name=self._name,
                    row=self._last,
                    reason=reason,
                )
                if self._last
                else Text("{name} cannot be read as an Excel file: {reason}", name=self._name, reason=reason),
                hint=SAVE_ANEW,
            ) from exc

    def _records(self) -> Iterator[RawRow]:
        package = Package(self._file, self._bounds)
        try:
            self._sheet = self._chosen(package.sheets)
            with package.open_sheet(self._sheet) as stream:
                self._read = _rows_of(package, stream)
                yield from self._read
        finally:
            package.close()

    def _chosen(self, sheets: Sequence[Sheet]) -> Sheet:
        """The sheet that was asked for, or the first visible one, with a note about the others."""
        visible = [sheet for sheet in sheets if sheet.visible]
        hidden = [repr(sheet.title) for sheet in sheets if not sheet.visible]
        if self._wanted is not None:
            named = [sheet for sheet in sheets if sheet.title == self._wanted] or [
                sheet for sheet in sheets if sheet.title.strip().casefold() == self._wanted.strip().casefold()
            ]
            if len(named) != 1:
                titles = [repr(sheet.title) for sheet in sheets]
                raise InvalidInputError(
                    Text("it has no sheet {wanted!r}", wanted=self._wanted),
                    hint=Text("it has: {listed}", listed=_listed(titles)),
                )
            return named[0]
        if not visible:
            raise InvalidInputError("it has no visible sheet", hint=SAVE_ANEW)
        first, *self._others = visible
        if self._others:
            self._notes.append(
                Text(
                    (
                        "only the first sheet, {title!r}, was read; there are also {listed} (--sheet "
                        "NAME reads one)"
                    ),
                    title=first.title,
                    listed=_listed([repr(other.title) for other in self._others]),
                )
            )
        if hidden:
            self._notes.append(Text("hidden sheets were not read: {listed}", listed=_listed(hidden)))
        return first

    def _elsewhere(self) -> AnyText:
        """The hint that another sheet holds the headers; empty unless exactly one of them does."""
        found = [sheet for sheet in self._others if self._holds_headers(sheet)]
        return (
            Text(
                "the sheet {title!r} does: --sheet {sheet}",
                title=found[0].title,
                sheet=shlex.quote(found[0].title),
            )
            if len(found) == 1
            else ""
        )

    def _holds_headers(self, sheet: Sheet) -> bool:
        package = Package(self._file, self._bounds)
        try:
            with self._naming_damage(), package.open_sheet(sheet) as stream:
                rows = _rows_of(package, stream)
                return any(self._rule.likely(row.cells) for row in islice(rows, SEARCHED))
        finally:
            package.close()


def _rows_of(package: Package, stream: IO[bytes]) -> SheetRows:
    values = CellValues(
        package.texts,
        package.formats,
        since_1904=package.since_1904,
        to_be_computed=package.to_be_computed,
    )
    return SheetRows(stream, values)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _last_row(place: str) -> int:
    digits = place.rpartition(":")[2].lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return int(digits) if digits.isdigit() else 0
