"""
One worksheet's XML as rows, each cell where its address says, by its type; nothing is left out in silence.

Source: ECMA-376 part 1, §18.3 (worksheets).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import IO

from producers.cell_kinds import CellKind
from producers.csv_file import RawRow
from producers.number_format import NumberFormat
from producers.package import SAVE_ANEW, Texts, unescaped
from producers.xml_events import local, parsed
from provisioning.errors import InvalidInputError

MAX_ROWS = 1_048_576
"""Excel's own limit."""

MAX_COLUMNS = 16_384
"""Excel's own limit: the column XFD."""

_EXACT_DIGITS = 15


def letters(column: int) -> str:
    """The name of a column, from 0: 0 → A, 27 → AB."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name


class SheetRows:
    """
    The rows of a sheet that are not blank, in the order of the file, streamed.

    Args:
        stream: the sheet's XML.
        texts: the shared texts, read when the first cell asks for one.
        formats: how cells are shown, by style.
        since_1904: whether days are counted from 1904.
        to_be_computed: whether the file says that it was not computed.

    Attributes:
        highest: the last row that is not blank, so far.
        count: rows that are not blank, so far.
        hidden_columns: as pairs of the first and last, from 0.
        hidden_rows: how many of the rows are hidden.
        first_hidden: the first of them.
        merged: the ranges that are merged; complete at the end.

    Iterating raises InvalidInputError where the sheet contradicts itself, ExpatError where it is not XML.
    """

    def __init__(
        self,
        stream: IO[bytes],
        texts: Callable[[], Texts],
        formats: Sequence[NumberFormat],
        *,
        since_1904: bool = False,
        to_be_computed: bool = False,
    ) -> None:
        self.highest = self.count = self.hidden_rows = self.first_hidden = 0
        self.hidden_columns: list[tuple[int, int]] = []
        self.merged: list[str] = []
        self._stream = stream
        self._load_texts = texts
        self._texts: Texts | None = None
        self._formats = formats
        self._since_1904 = since_1904
        self._to_be_computed = to_be_computed
        self._seen = bytearray(MAX_ROWS // 8 + 1)
        self._columns: dict[str, int] = {}
        self._rows: list[RawRow] = []
        # The row and the cell under way.
        self._number = 0
        self._row_text = ""
        self._hidden = False
        self._cells: list[str] = []
        self._kinds: dict[int, CellKind] = {}
        self._column = -1
        self._type = "n"
        self._style = ""
        self._formula = False
        self._valued = False
        self._parts: list[str] = []
        self._gathering = False
        self._passing_over = 0

    def __iter__(self) -> Iterator[RawRow]:
        for _ in parsed(self._stream, self._start, self._end, self._text):
            if self._rows:
                ready, self._rows = self._rows, []
                yield from ready

    def _text(self, data: str) -> None:
        if self._gathering:
            self._parts.append(data)

    def _start(self, tag: str, given: dict[str, str]) -> None:
        if self._passing_over:
            self._passing_over += 1
            return
        name = local(tag)
        if name == "c":
            self._start_cell(given)
        elif name in ("v", "t"):
            self._gathering = True
            self._valued = True
        elif name == "f":
            self._formula = True
        elif name == "row":
            self._start_row(given)
        elif name in ("extLst", "rPh"):
            # Extensions repeat names of ours; phonetic text is no part of the text.
            self._passing_over = 1
        elif name == "col" and given.get("hidden") in ("1", "true"):
            self.hidden_columns.append((int(given["min"]) - 1, int(given["max"]) - 1))
        elif name == "mergeCell":
            self.merged.append(given["ref"])

    def _end(self, tag: str) -> None:
        if self._passing_over:
            self._passing_over -= 1
            return
        name = local(tag)
        if name in ("v", "t"):
            self._gathering = False
        elif name == "c":
            self._end_cell()
        elif name == "row":
            self._end_row()

    def _start_row(self, given: dict[str, str]) -> None:
        text = given.get("r", "")
        number = int(text) if text else self._number + 1
        if not 1 <= number <= MAX_ROWS:
            raise InvalidInputError(
                f"it has a row beyond {MAX_ROWS:,}, the last that Excel allows: {text[:20]}", hint=SAVE_ANEW
            )
        at, bit = number >> 3, 1 << (number & 7)
        if self._seen[at] & bit:
            raise InvalidInputError(f"it has row {number} twice", hint=SAVE_ANEW)
        self._seen[at] |= bit
        self._number = number
        self._row_text = str(number)
        self._hidden = given.get("hidden") in ("1", "true")
        self._cells = []
        self._kinds = {}
        self._column = -1

    def _start_cell(self, given: dict[str, str]) -> None:
        address = given.get("r")
        if address is None:
            self._column += 1
        else:
            name = address.rstrip("0123456789")
            if address[len(name) :] != self._row_text:
                raise InvalidInputError(
                    f"the cell {address[:20]} stands in row {self._row_text}", hint=SAVE_ANEW
                )
            column = self._columns.get(name)
            self._column = self._columns[name] = _column_of(name) if column is None else column
        if self._column >= MAX_COLUMNS:
            raise InvalidInputError(f"it has a cell beyond column {letters(MAX_COLUMNS - 1)}", hint=SAVE_ANEW)
        self._type = given.get("t", "n")
        self._style = given.get("s", "")
        self._formula = self._valued = False
        self._parts = []

    def _end_cell(self) -> None:
        raw = self._parts[0] if len(self._parts) == 1 else "".join(self._parts)
        if not raw and not self._formula:
            return
        kind: CellKind | None
        if self._formula and not raw and self._type != "str":
            text, kind = "", CellKind.UNCOMPUTED
        else:
            text, kind = self._value(raw)
            if self._formula and raw == "0" and kind is not CellKind.ERROR:
                kind = CellKind.UNCOMPUTED if self._to_be_computed else CellKind.ZERO
        column = self._column
        cells = self._cells
        if column == len(cells):
            cells.append(text)
        elif column > len(cells):
            cells.extend([""] * (column - len(cells)))
            cells.append(text)
        elif cells[column] or column in self._kinds:
            raise InvalidInputError(
                f"it has the cell {letters(column)}{self._row_text} twice", hint=SAVE_ANEW
            )
        else:
            cells[column] = text
        if kind is not None:
            self._kinds[column] = kind

    def _value(self, raw: str) -> tuple[str, CellKind | None]:
        """What a cell shows and, if that is no text and no whole number, what it holds."""
        match self._type:
            case "s":
                if self._texts is None:
                    self._texts = self._load_texts()
                if not raw.isascii() or not raw.strip().isdigit() or int(raw) >= len(self._texts):
                    raise InvalidInputError(
                        f"the cell {letters(self._column)}{self._row_text} names a text that the file lacks",
                        hint=SAVE_ANEW,
                    )
                text = self._texts[int(raw)]
                return self._format().text(text) if self._style else (text, None)
            case "str" | "inlineStr":
                text = unescaped(raw)
                return self._format().text(text) if self._style else (text, None)
            case "n":
                return self._number_of(raw)
            case "b":
                return ("true" if raw.strip() in ("1", "true") else "false"), CellKind.BOOLEAN
            case "d":
                return raw, CellKind.DATE
            case "e":
                return raw, CellKind.ERROR
            case _:
                return raw, CellKind.BROKEN

    def _number_of(self, raw: str) -> tuple[str, CellKind | None]:
        shown = self._format()
        if shown.plain and len(raw) <= _EXACT_DIGITS and raw.isascii() and raw.isdigit() and raw[0] != "0":
            return raw, None
        try:
            number = float(raw)
            if not -1e308 < number < 1e308 or "_" in raw:
                return raw, CellKind.BROKEN
        except ValueError:
            return raw, CellKind.BROKEN
        return shown.number(number, since_1904=self._since_1904)

    def _format(self) -> NumberFormat:
        style = int(self._style) if self._style else 0
        if not 0 <= style < len(self._formats):
            raise InvalidInputError(
                f"the cell {letters(self._column)}{self._row_text} names a style that the file lacks",
                hint=SAVE_ANEW,
            )
        return self._formats[style]

    def _end_row(self) -> None:
        cells, kinds = self._cells, self._kinds
        if not kinds and not "".join(cells).strip():
            return
        self.count += 1
        self.highest = max(self.highest, self._number)
        if self._hidden:
            self.hidden_rows += 1
            self.first_hidden = self.first_hidden or self._number
        self._rows.append(RawRow(self._number, cells, kinds or None))


def _column_of(name: str) -> int:
    column = 0
    if not name or len(name) > 3 or not (name.isascii() and name.isalpha() and name.isupper()):
        raise InvalidInputError(f"{name[:20]!r} is the name of no column", hint=SAVE_ANEW)
    for letter in name:
        column = column * 26 + ord(letter) - 64
    return column - 1
