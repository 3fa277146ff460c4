"""
Rows with fewer cells than headers: a spreadsheet left the last empty ones out, or a row was broken.

Pure. Excel and others leave the last empty cells of a row out when they save CSV. But a line break that
stands in a cell without quotes breaks one row in two that are short as well, and a file that was cut ends in
a short row: to fill these up would send what nobody meant. So the missing cells of a short row are empty if

- no identifier (key, credential, bot.id) is among them,
- the row is not the last of a text that ends without a line end,
- and it does not make one row of the right width together with the short rows before or after it, broken in
  cells that are no identifiers. Rows whose bot ids are of one kind are rows of their own nevertheless.

Otherwise it is a problem of the row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from producers.csv_file import RawRow
from provisioning.errors import InvalidJobError

_LONG = 6
"""Digits from which on two ids of different lengths are taken for ids of one kind."""

_HINT = (
    "a cell that holds a line break must stand in double quotes; if its last cells are empty, save the table "
    "so that they are written too, or as .xlsx"
)


@dataclass(slots=True)
class _Held:
    row: RawRow
    broken_with: int | None = None


class ShortRows:
    """
    The short rows of one table, held back while the next rows may tell that they are pieces of one.

    Args:
        headers: of the table.
        identifiers: columns that no row may lack.
        alike: the one of them whose values are of one kind; None if there is none.
        shown: what a message may repeat of a row's cells.
        rather: what a row that lacks cells is instead, as a problem; None if it is nothing else.

    Attributes:
        held: rows that came and were not given back yet, one right after the other.
    """

    def __init__(
        self,
        headers: Sequence[str],
        identifiers: Collection[int],
        alike: int | None,
        shown: Callable[[Sequence[str]], str],
        rather: Callable[[RawRow], InvalidJobError | None],
    ) -> None:
        self.held: list[_Held] = []
        self._headers = headers
        self._width = len(headers)
        # What is missing under headers without a name is nothing, and nobody needs to know of it.
        self._named = max((at + 1 for at, header in enumerate(headers) if header), default=0)
        self._identifiers = frozenset(identifiers)
        self._alike = alike
        self._shown = shown
        self._rather = rather
        self._filled = 0
        self._first = 0

    def add(self, row: RawRow) -> Iterator[RawRow | InvalidJobError]:
        """Takes a short row. Returns: those that are decided, in order."""
        if self.held and row.number != self.held[-1].row.number + 1:
            yield from self.end()
        if len(row.cells) >= self._named and not self.held:
            row.cells.extend([""] * (self._width - len(row.cells)))
            yield row
            return
        self.held.append(_Held(row))
        while sum(len(each.row.cells) - 1 for each in self.held) >= self._width - 1 and self.held:
            self._look_for_pieces()
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

    def note(self) -> str | None:
        """What a person should know of the rows that were filled up; None if there were none."""
        if not self._filled:
            return None
        rows = "1 row has" if self._filled == 1 else f"{self._filled:,} rows have"
        return (
            f"{rows} fewer cells than headers (row {self._first}): the missing last cells were read as empty"
        )

    def _look_for_pieces(self) -> None:
        """Marks the first held row, and those after it, if they look like one row that was broken."""
        ends = list(accumulate(len(each.row.cells) - 1 for each in self.held))
        if self._width - 1 not in ends[1:]:
            return
        count = ends.index(self._width - 1) + 1
        # Where one row would have been broken: nobody writes an identifier on two lines.
        if not self._identifiers.isdisjoint(ends[: count - 1]):
            return
        pieces = self.held[:count]
        if all(self._of_one_kind(pieces[0].row, piece.row) for piece in pieces[1:]):
            return
        first, *others = pieces
        first.broken_with = others[-1].row.number
        for piece in others:
            piece.broken_with = first.row.number

    def _of_one_kind(self, one: RawRow, other: RawRow) -> bool:
        at = self._alike
        if at is None or at >= min(len(one.cells), len(other.cells)):
            return False
        left, right = (row.cells[at].strip().removeprefix("'").removeprefix("+") for row in (one, other))
        if left.isdecimal() != right.isdecimal():
            return False
        same = len(left) == len(right)
        return same or (left.isdecimal() and min(len(left), len(right)) >= _LONG)

    def _decided(self, held: _Held, *, cut: bool = False) -> RawRow | InvalidJobError:
        row = held.row
        count = len(row.cells)
        missing = [self._headers[at] for at in sorted(self._identifiers) if at >= count]
        if missing:
            why = f": it has none for {missing[0]}"
        elif held.broken_with is not None:
            why = f", and looks like a piece of one row with row {held.broken_with}"
        elif cut:
            why = ", and the file ends in it without a line end: was it cut?"
        else:
            if count < self._named:
                self._filled += 1
                self._first = self._first or row.number
            row.cells.extend([""] * (self._width - count))
            return row
        return self._rather(row) or InvalidJobError(
            f"the row has {count} cell{'' if count == 1 else 's'}, fewer than the {self._width} headers{why}",
            row=row.number,
            value=self._shown(row.cells),
            hint=_HINT,
        )
