"""
One worksheet's XML as rows, each cell where its address says, by its type; nothing is left out in silence.

Source: ECMA-376 part 1, §18.3 (worksheets).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO
from xml.etree.ElementTree import Element

from producers.files.cell_kinds import CellKind
from producers.files.cell_values import CellValues, LackingError
from producers.files.csv_file import RawRow
from producers.files.package import SAVE_ANEW, text_of, unescaped
from producers.files.xml_events import LocalNames, elements
from provisioning.errors import InvalidInputError
from provisioning.text import Text

MAX_ROWS = 1_048_576
"""Excel's own limit."""

MAX_COLUMNS = 16_384
"""Excel's own limit: the column XFD."""

MAX_MERGED = 100_000
"""Merged ranges that are kept, for a note."""

_NARROW = re.compile(r"0+(?:\.[0-4]\d*)?|\.[0-4]\d*")
"""Less than half a character of width, or half a point of height: nothing can be read of it."""


def letters(column: int) -> str:
    """The name of a column, from 0: 0 → A, 27 → AB."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name


_NAMES = tuple(map(letters, range(256)))


class SheetRows:
    """
    The rows of a sheet that are not blank, in the order of the file, streamed.

    Args:
        stream: the sheet's XML.
        values: what its cells show.

    Attributes:
        highest: the last row that is not blank, so far.
        count: rows that are not blank, so far.
        hidden_columns: as pairs of the first and last, from 0; also those without width.
        hidden_rows: how many of the rows are hidden, or have no height.
        first_hidden: the first of them.
        merged: the ranges that are merged, the first `MAX_MERGED` of them; complete at the end.

    Iterating raises InvalidInputError where the sheet contradicts itself, ParseError where it is not XML.
    """

    def __init__(self, stream: IO[bytes], values: CellValues) -> None:
        self.highest = self.count = self.hidden_rows = self.first_hidden = 0
        self.hidden_columns: list[tuple[int, int]] = []
        self.merged: list[str] = []
        self._stream = stream
        self._values = values
        self._seen = bytearray(MAX_ROWS // 8 + 1)
        self._columns: dict[str, int] = {}
        self._local = LocalNames()
        self._number = 0

    def __iter__(self) -> Iterator[RawRow]:
        for found in elements(self._stream, ("sheetData", "cols", "mergeCells")):
            for element in found:
                name = self._local[element.tag]
                if name == "row":
                    if (row := self._row(element)) is not None:
                        yield row
                elif name == "col" and _is_hidden(element, element.get("width")):
                    if len(self.hidden_columns) == MAX_COLUMNS:
                        raise InvalidInputError("it describes a column more than once", hint=SAVE_ANEW)
                    self.hidden_columns.append(
                        (int(element.get("min", "")) - 1, int(element.get("max", "")) - 1)
                    )
                elif name == "mergeCell" and len(self.merged) < MAX_MERGED:
                    self.merged.append(element.get("ref", ""))

    def _row(self, element: Element) -> RawRow | None:
        """The row; None if it is blank."""
        number = self._number = self._number_of_row(element.get("r", ""))
        digits = str(number)
        cells: list[str] = []
        kinds: dict[int, CellKind] = {}
        name_of = self._local
        column = -1
        for cell in element:
            if name_of[cell.tag] != "c":
                continue  # an extension
            column += 1
            address = cell.get("r")
            # Nearly every cell is the one after the last.
            if address is not None and (column >= len(_NAMES) or address != _NAMES[column] + digits):
                column = self._column(address, digits)
            if column >= MAX_COLUMNS:
                raise InvalidInputError(
                    Text("it has a cell beyond column {letters}", letters=letters(MAX_COLUMNS - 1)),
                    hint=SAVE_ANEW,
                )
            if not len(cell):
                continue  # it has a style at most
            content = name_of[cell[0].tag] if len(cell) == 1 else ""
            formula = False
            if content == "v":
                raw = cell[0].text or ""
            elif content == "is":
                raw = text_of(cell[0], name_of)
            else:
                raw, formula = self._content(cell)
            if not raw and not formula:
                continue
            kind = None
            try:
                form, style = cell.get("t"), cell.get("s")
                if form == "s" and style is None and not formula:
                    text = self._values.text(raw)
                elif form == "inlineStr" and style is None and not formula:
                    text = unescaped(raw)
                else:
                    text, kind = self._values.shown(raw, form or "n", style, formula=formula)
            except LackingError as exc:
                raise InvalidInputError(
                    Text(
                        "the cell {letters}{digits} names a {part} that the file lacks",
                        letters=letters(column),
                        digits=digits,
                        part=exc.part,
                    ),
                    hint=SAVE_ANEW,
                ) from exc
            if column > len(cells):
                cells.extend([""] * (column - len(cells)))
            if column == len(cells):
                cells.append(text)
            elif cells[column] or column in kinds:
                raise InvalidInputError(
                    Text("it has the cell {letters}{digits} twice", letters=letters(column), digits=digits),
                    hint=SAVE_ANEW,
                )
            else:
                cells[column] = text
            if kind is not None:
                kinds[column] = kind
        if not kinds and not "".join(cells).strip():
            return None
        self.count += 1
        self.highest = max(self.highest, number)
        if _is_hidden(element, element.get("ht")):
            self.hidden_rows += 1
            self.first_hidden = self.first_hidden or number
        return RawRow(number, cells, kinds or None)

    def _number_of_row(self, text: str) -> int:
        number = int(text) if text else self._number + 1
        if not 1 <= number <= MAX_ROWS:
            raise InvalidInputError(
                Text(
                    "it has a row beyond {max_rows:,}, the last that Excel allows: {text}",
                    max_rows=MAX_ROWS,
                    text=text[:20],
                ),
                hint=SAVE_ANEW,
            )
        at, bit = number >> 3, 1 << (number & 7)
        if self._seen[at] & bit:
            raise InvalidInputError(Text("it has row {number} twice", number=number), hint=SAVE_ANEW)
        self._seen[at] |= bit
        return number

    def _column(self, address: str, digits: str) -> int:
        """The column of a cell that stands in the row of these digits."""
        name = address.rstrip("0123456789")
        if address[len(name) :] != digits:
            raise InvalidInputError(
                Text("the cell {address} stands in row {digits}", address=address[:20], digits=digits),
                hint=SAVE_ANEW,
            )
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = _column_of(name)
        return column

    def _content(self, cell: Element) -> tuple[str, bool]:
        """A cell's value as it is written, and whether a formula made it."""
        raw = ""
        formula = False
        for child in cell:
            match self._local[child.tag]:
                case "v":
                    raw += child.text or ""
                case "f":
                    formula = True
                case "is":
                    raw += text_of(child, self._local)
        return raw, formula


def _is_hidden(element: Element, size: str | None) -> bool:
    """Whether a person does not see a row or column: it says so, or has nothing of a width or height."""
    if element.get("hidden") in ("1", "true"):
        return True
    return size is not None and _NARROW.fullmatch(size) is not None


def _column_of(name: str) -> int:
    column = 0
    if not name or len(name) > 3 or not (name.isascii() and name.isalpha() and name.isupper()):
        raise InvalidInputError(Text("{name!r} is the name of no column", name=name[:20]), hint=SAVE_ANEW)
    for letter in name:
        column = column * 26 + ord(letter) - 64
    return column - 1
