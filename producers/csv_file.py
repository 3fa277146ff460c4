"""
Lines become records: delimiter found out, quotes obeyed, every record numbered as a spreadsheet numbers it.

A record's number is its place in the table, not its physical line: the header is row 1, a record with line
breaks inside quotes is one row, a blank line counts though it is passed over.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator

import msgspec

from producers.cell_kinds import CellKind
from producers.fields import is_familiar
from producers.text import Lines
from provisioning.errors import InvalidInputError, InvalidJobError

DELIMITERS = (",", ";", "\t", "|")

_MAX_HEADER_LINES = 100

_QUOTE_HINT = 'a double quote inside a cell is written twice (""), and every opened quote must be closed'


class RawRow(msgspec.Struct, frozen=True, gc=False):
    """
    One record.

    Attributes:
        number: its row as a spreadsheet counts.
        cells: as they stand in the file.
        kinds: of a workbook, the cells by column that are neither text nor a whole number; None if all are.
    """

    number: int
    cells: list[str]
    kinds: dict[int, CellKind] | None = None


class CsvRows:
    """
    The records of a CSV file, streamed.

    Args:
        lines: the text; a `Lines`, or anything that yields lines with their ends.
        delimiter: one character; found out from the header if None.
        familiar: tells a known header, to find the delimiter by; the documented columns if None.

    Attributes:
        headers: the first record that is not blank.
        delimiter: the one in use.
        blank: blank records passed over so far.

    Raises: InvalidInputError if there is no header, and while iterating where the rest cannot be told apart.
    """

    def __init__(
        self,
        lines: Lines | Iterable[str],
        *,
        delimiter: str | None = None,
        familiar: Callable[[str], bool] | None = None,
    ) -> None:
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n '):
            raise InvalidInputError(
                f"{delimiter!r} cannot be a delimiter", hint="it is one character, such as , or ;"
            )
        self._lines = iter(lines)
        self.blank = 0
        self._number = 0
        head = self._head()
        # Excel's own way to name the delimiter; Excel shows no row for it, and so it does not count.
        named = head[0].strip().lower() if len(head) == 1 else ""
        if named.startswith("sep=") and len(named) == 5:
            delimiter = delimiter or head[0].strip()[4]
            self._number -= 1
            head = self._head()
        self.delimiter, self.headers = _header(head, delimiter, familiar or is_familiar)

    def __iter__(self) -> Iterator[RawRow | InvalidJobError]:
        reader = csv.reader(self._lines, delimiter=self.delimiter, strict=True)
        number = self._number
        while True:
            line = reader.line_num
            try:
                for cells in reader:
                    number += 1
                    if not cells or (not cells[0].strip() and not "".join(cells).strip()):
                        self.blank += 1
                    else:
                        yield RawRow(number, cells)
                    line = reader.line_num
            except csv.Error as exc:
                number += 1
                yield self._broken(exc, number, reader.line_num - line)
            except InvalidInputError as exc:
                raise InvalidInputError(f"row {number + 1}: {exc.message}", hint=exc.hint) from exc
            else:
                return

    @staticmethod
    def _broken(exc: csv.Error, row: int, lines: int) -> InvalidJobError:
        """The problem of one broken record; raised as the file's, if what follows cannot be told apart."""
        reason = str(exc)
        if "unexpected end of data" in reason:
            raise InvalidInputError(
                f"row {row}: a quote is never closed and swallows the rest of the file ({lines:,} lines)",
                hint=_QUOTE_HINT,
            ) from exc
        if lines > 1:
            # The quotes are out of step: inside and outside cannot be told apart from here on.
            raise InvalidInputError(
                f"row {row}: a quote is opened and not closed where it should be ({lines:,} lines on)",
                hint=_QUOTE_HINT,
            ) from exc
        if "field larger than field limit" in reason:
            return InvalidJobError(
                f"a cell has more than {csv.field_size_limit():,} characters",
                row=row,
                hint="was a picture pasted into it? or a quote left open?",
            )
        return InvalidJobError("the quotes of this row are broken", row=row, hint=_QUOTE_HINT)

    def _head(self) -> list[str]:
        """The lines of the next record that is not blank; its number becomes the current one."""
        head: list[str] = []
        try:
            for line in self._lines:
                head.append(line)
                if not "".join(head).strip():
                    self.blank += 1
                    self._number += 1
                    head.clear()
                elif "".join(head).count('"') % 2 == 0:
                    break
                elif len(head) >= _MAX_HEADER_LINES:
                    break  # a quote left open, which `_header` will say
        except InvalidInputError as exc:
            raise InvalidInputError(f"row {self._number + 1}: {exc.message}", hint=exc.hint) from exc
        if not head:
            raise InvalidInputError(
                "the file has nothing in it but blank lines" if self.blank else "the file is empty",
                hint="the first row holds the headers, such as key and bot.id",
            )
        self._number += 1
        return head


def _header(
    lines: list[str], delimiter: str | None, familiar: Callable[[str], bool]
) -> tuple[str, tuple[str, ...]]:
    """The delimiter that makes most sense of the header, and the headers it makes."""
    best: tuple[tuple[int, int], str, tuple[str, ...]] | None = None
    error: csv.Error | None = None
    for candidate in (delimiter,) if delimiter else DELIMITERS:
        try:
            records = list(csv.reader(lines, delimiter=candidate, strict=True))
        except csv.Error as exc:
            error = exc
            continue
        if len(records) != 1:
            continue
        headers = tuple(header.strip() for header in records[0])
        # Known names first: a header such as "Nombre, ciudad" must not outvote the real delimiter.
        score = (sum(map(familiar, headers)), len(headers))
        if best is None or score > best[0]:
            best = (score, candidate, headers)
    if best is None:
        raise InvalidInputError("the quotes of the header are broken", hint=_QUOTE_HINT) from error
    return best[1], best[2]
