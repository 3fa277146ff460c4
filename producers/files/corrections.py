"""
What a person has changed in a file under way: cells, values of a whole column, rows that are left out.

Pure. The file stays as it is; corrections are laid over its rows as these are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from producers.files.csv_file import RawRow


class Corrections(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    Corrections of one file.

    Attributes:
        cells: number of a row, as a spreadsheet counts → header → the text that stands there instead.
        replaced: header → text → the text that stands in this column instead of it, in every row.
        left_out: numbers of rows that are not sent.
    """

    cells: Mapping[int, Mapping[str, str]] = {}
    replaced: Mapping[str, Mapping[str, str]] = {}
    left_out: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.cells or self.replaced or self.left_out)

    def apply(self, row: RawRow, headers: Sequence[str]) -> RawRow | None:
        """The row with its corrections; None if it is left out. A corrected cell is plain text."""
        if row.number in self.left_out:
            return None
        own = self.cells.get(row.number, {})
        if not own and not self.replaced:
            return row
        changed: dict[int, str] = {}
        for column, header in enumerate(headers):
            if header in own:
                changed[column] = own[header]
            elif column < len(row.cells) and row.cells[column] in self.replaced.get(header, ()):
                changed[column] = self.replaced[header][row.cells[column]]
        if not changed:
            return row
        cells = [changed.get(column, cell) for column, cell in enumerate(row.cells)]
        kinds = {column: kind for column, kind in (row.kinds or {}).items() if column not in changed}
        return replace(row, cells=cells, kinds=kinds or None)


NONE = Corrections()
"""The file as it is."""
