"""
Rows with fewer cells than headers: a spreadsheet left the last empty ones out, or a row was broken.

Pure. Excel and others leave the last empty cells of a row out when they save CSV. But a line break that
stands in a cell without quotes breaks one row in two lines, and a file that was cut ends in a short line: to
take these for rows would send what nobody meant. The lines of a broken row lie one below the other, with
nothing but blank lines between them, and at least one of them is short. What can be told from their shape:

- A line that is short and lacks an identifier (key, credential, bot.id), or holds what can be none, is no row
  of its own. It is the rest of the line above it, if that may go on: be this short as well or, where the last
  cell was broken, whole.
- Lines that together have the cells of a row, or more, are one row, if their bot ids are not of one kind.
  They fit *closely* if they have just as many; a comma in a text makes one more, and is told from one
  between cells by the blank behind it. Then only ids with equally many characters show two rows: a phone
  number is often about as long as an id. If they have more cells than that, it takes ids that nobody would
  call alike to show one row.
- A line is not broken in an identifier, nor behind a cell that is empty.

All lines of a broken row are refused, so that no half of it is sent. The missing cells of any other short
line are empty, unless it is the last of a text that ends without a line end, and so may have been cut.

What cannot be told: the rest of a row that has what looks like a key and like an id of the right length in
their places; a row with a break and unquoted commas without blanks, in a table whose ids are words.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from producers.files.csv_file import RawRow
from provisioning.errors import InvalidJobError
from provisioning.text import AnyText, Text, joined, plural

_LINES = 50
"""Lines that are looked at as one row: more line breaks in a cell are no cell of a tenant's any more."""

_LACKING = "(lacking)"
"""Stands for a field where an identifier has no cell."""

_HINT = Text(
    "a cell that holds a line break must stand in double quotes; if it is a row "
    "of its own and its last cells are empty, save the table so that they are "
    "written too, or as .xlsx; if it is no row, remove it"
)


@dataclass(slots=True)
class _Line:
    """
    Attributes:
        row: its cells, as many as there are headers at most if it is not refused anyway.
        reach: the column that its last cell stands in, counted from its own first cell.
        short: whether it lacks cells.
        goes_on: whether the next line may be the rest of its last cell.
        unfit: why it is no row of its own; None if it may be one.
        refused: what is wrong with it whatever its neighbours are.
        first: of the lines that it is the rest of, the first.
        broken_with: number of another line of the row that it is a piece of.
    """

    row: RawRow
    reach: int
    short: bool
    goes_on: bool
    unfit: InvalidJobError | None = None
    refused: InvalidJobError | None = None
    first: _Line | None = None
    broken_with: int | None = None


def _nothing(_: RawRow) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Rules:
    """
    What is known of a table's rows beside their shape.

    Attributes:
        identifiers: columns that no row may lack.
        alike: the one of them whose values are of one kind; None if there is none.
        shown: what a message may repeat of a row's cells.
        unfit: why a row that may lack cells is surely none, whatever else it holds; None if it may be one.
        other: what a row that lacks cells is instead, by its own words; None if it may be a row or a piece.
    """

    identifiers: Collection[int] = ()
    alike: int | None = None
    shown: Callable[[Sequence[str]], str] = lambda _: ""
    unfit: Callable[[RawRow], InvalidJobError | None] = _nothing
    other: Callable[[RawRow], InvalidJobError | None] = _nothing


class ShortRows:
    """
    The short rows of one table and those beside them, held back while the next may tell that they are one.

    Args:
        headers: of the table.
        rules: what else is known of its rows.

    Attributes:
        held: lines that came and were not given back yet, one below the other.
    """

    def __init__(self, headers: Sequence[str], rules: Rules) -> None:
        self.held: list[_Line] = []
        self._headers = headers
        self._last = len(headers) - 1
        # What is missing under headers without a name is nothing, and nobody needs to know of it.
        self._named = max((at + 1 for at, header in enumerate(headers) if header), default=0)
        self._identifiers = frozenset(rules.identifiers)
        self._rules = rules
        self._filled = 0
        self._first = 0

    def add(
        self, row: RawRow, refused: InvalidJobError | None = None, *, goes_on: bool | None = None
    ) -> Iterator[RawRow | InvalidJobError]:
        """
        Takes a row that is short or has a short one beside it. Returns: those that are decided, in order.

        Args:
            refused: what is wrong with it whatever its neighbours are.
            goes_on: whether its last cell may go on in the next line; told from that cell if None.
        """
        count = len(row.cells)
        short = count <= self._last
        if short and (other := self._rules.other(row)):
            yield from self.end()
            yield other
            return
        if goes_on is None:
            goes_on = bool(row.cells[-1].strip())
        line = _Line(row, count - 1, short, goes_on, refused=refused)
        if short:
            line.unfit = self._unfit(row)
        above = self.held[-1] if self.held else None
        if above is not None and not short and not above.short:
            yield from self.end()
            above = None
        self.held.append(line)
        if above is not None and short:
            self._look_above(above, line)
        if not short and not goes_on:
            yield from self.end()
        while len(self.held) > 1:
            lines = self._one_row()
            if lines:
                self._look_at(lines)
            elif len(self.held) < _LINES:
                return
            yield self._decided(self.held.pop(0))

    def end(self, *, cut: bool = False) -> Iterator[RawRow | InvalidJobError]:
        """
        The rest of the held rows: the next row is none of them.

        Args:
            cut: whether the text ended here, without a line end.
        """
        while self.held:
            last = len(self.held) == 1
            yield self._decided(self.held.pop(0), cut=cut and last)

    def whole(self) -> RawRow | None:
        """The one held row, taken back, if nothing is known of it but that the next may be its rest."""
        if len(self.held) == 1:
            [line] = self.held
            if not line.short and line.refused is None and line.broken_with is None:
                self.held.clear()
                return line.row
        return None

    def note(self) -> Text | None:
        """What a person should know of the rows that were filled up; None if there were none."""
        if not self._filled:
            return None
        return plural(
            "1 row has fewer cells than headers (row {first}): the missing last cells were read as empty",
            "{count:,} rows have fewer cells than headers (row {first}):"
            " the missing last cells were read as empty",
            self._filled,
            first=self._first,
        )

    def _unfit(self, row: RawRow) -> InvalidJobError | None:
        wrong = self._rules.unfit(row)
        missing = [self._headers[at] for at in sorted(self._identifiers) if at >= len(row.cells)]
        if missing and (wrong is None or wrong.field in missing):
            return InvalidJobError(
                Text("it has none for {missing}", missing=missing[0]), row=row.number, field=_LACKING
            )
        return wrong

    def _look_above(self, above: _Line, line: _Line) -> None:
        """Marks a short line, and the line above, if it is no row of its own but the rest of that one."""
        if not above.goes_on:
            return
        if line.unfit is not None:
            [at, _], spare, _ = self._shape([above, line])
            if above.first is not None or self._may_break(at, spare):
                _mark([above, line], above.first or above)
        elif above.first is not None and not self._of_one_kind([above.first, line], close=True):
            _mark([above, line], above.first)

    def _one_row(self) -> list[_Line]:
        """The first held lines, as many of them as have the cells of one row; none if there are too few."""
        reach = 0
        for count, line in enumerate(self.held, 1):
            reach += line.reach
            if count > 1 and reach >= self._last:
                return self.held[:count]
        return []

    def _look_at(self, lines: list[_Line]) -> None:
        """Marks lines that have the cells of one row, or more, if they are one row that was broken."""
        [*breaks, _], spare, close = self._shape(lines)
        if not all(line.goes_on for line in lines[:-1]):
            return
        if not all(self._may_break(at, spare) for at in breaks):
            return
        # What looks like a row and is the rest of one shows nothing; the line that it belongs to does.
        rows = [line.first or line for line in lines if line.unfit is None]
        of_their_own = self._of_one_kind(rows, close=close) if len(rows) > 1 else not close
        if not of_their_own:
            _mark(lines, lines[0])

    def _shape(self, lines: Sequence[_Line]) -> tuple[list[int], int, bool]:
        """
        Of lines read as one row: the columns that they end in, how many of these columns commas in texts
        may have made, and whether they have no more cells than the row would have but for such commas.
        """
        ends = list(accumulate(line.reach for line in lines))
        excess = max(0, ends[-1] - self._last)
        blanks = sum(cell.startswith(" ") for line in lines for cell in line.row.cells[1:])
        return ends, min(excess, blanks), excess <= blanks

    def _may_break(self, at: int, spare: int) -> bool:
        """Whether a line that ends in this column, or in one up to `spare` before it, may be broken there."""
        return any(column not in self._identifiers for column in range(max(0, at - spare), at + 1))

    def _of_one_kind(self, lines: Sequence[_Line], *, close: bool) -> bool:
        """Whether the bot ids of these lines show that they are rows of their own."""
        at = self._rules.alike
        if at is None:
            return not close
        ids = [_bare(line.row.cells[at]) if at < len(line.row.cells) else "" for line in lines]
        if close:
            shapes = {(id.isdecimal(), len(id)) for id in ids}
            return len(shapes) == 1 and all(any(map(str.isdecimal, id)) for id in ids)
        ids = [id for id in ids if id]
        if not any(id.isdecimal() for id in ids):
            return True
        return all(id.isdecimal() for id in ids) and max(map(len, ids)) <= 2 * min(map(len, ids))

    def _decided(self, line: _Line, *, cut: bool = False) -> RawRow | InvalidJobError:
        row = line.row
        count = len(row.cells)
        if line.refused is not None:
            return line.refused
        unfit = line.unfit
        if line.broken_with is not None:
            piece = Text("it looks like a piece of one row with row {row}", row=line.broken_with)
            why: AnyText = Text("{problem}, and {piece}", problem=unfit.text, piece=piece) if unfit else piece
        elif unfit and unfit.field == _LACKING:
            why = unfit.text
        elif cut and line.short and not unfit:
            why = Text("the file ends in it without a line end: was it cut?")
        else:
            if count < self._named and not unfit:
                self._filled += 1
                self._first = self._first or row.number
            row.cells.extend([""] * (self._last + 1 - count))
            return row
        have = plural("the row has {count} cell", "the row has {count} cells", count)
        fewer = Text("{have}, fewer than the {headers} headers", have=have, headers=self._last + 1)
        return InvalidJobError(
            Text("{have}: {why}", have=fewer if line.short else have, why=why),
            row=row.number,
            value=self._rules.shown(row.cells),
            hint=joined("; ", [unfit.advice if unfit else "", _HINT]),
        )


def _mark(lines: Sequence[_Line], first: _Line) -> None:
    """These lines are pieces of one row, which begins with the first."""
    first.broken_with = lines[-1].row.number
    for line in lines:
        if line is not first:
            line.first, line.broken_with = first, first.row.number


def _bare(id: str) -> str:
    """An id without what a spreadsheet or a person may put before its digits."""
    return id.strip().removeprefix("'").removeprefix("+")
