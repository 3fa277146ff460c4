"""
Lines become records: delimiter found out, quotes obeyed, every record numbered as a spreadsheet numbers it.

A record's number is its place in the table, not its physical line: the header is row 1, a record with line
breaks inside quotes is one row, a blank line counts though it is passed over.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import msgspec

from producers.files.cell_kinds import CellKind
from producers.files.header_row import SEARCHED, HeaderRule, passed_over
from producers.files.text import END_MARK, Lines
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.text import Text

DELIMITERS = (",", ";", "\t", "|")

_MAX_HEADER_LINES = 100

_SEP = re.compile(
    r"""\s*(?P<quote>["']?)sep\s*=\s?(?P<named>.)\s*(?P=quote)(?P<rest>.*)""",
    re.IGNORECASE | re.DOTALL,
)
"""The line that tells Excel the delimiter; what stands behind it is what a later program wrote there."""

_QUOTE_HINT = Text(
    'a double quote inside a cell is written twice (""), and every opened quote must be closed'
)


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


class _Record(NamedTuple):
    """The lines of one record above the rows, and how far the file was read at its end."""

    number: int
    blank: int
    taken: int
    lines: list[str]


class CsvRows:
    """
    The records of a CSV file, streamed.

    A first line such as `sep=;` names the delimiter, as Excel has it; Excel shows no row for it, and so it
    does not count.

    Args:
        lines: the text; a `Lines`, or anything that yields lines with their ends.
        rule: what the headers look like, to find them and the delimiter by.
        delimiter: one character; found out from the headers if None.

    Attributes:
        headers: of the row that holds them, see `header_row`.
        delimiter: the one in use.
        blank: blank records passed over so far.
        notes: what a person should know of where the headers were.

    Raises: InvalidInputError if there is no header, and while iterating where the rest cannot be told apart.
    """

    def __init__(
        self, lines: Lines | Iterable[str], rule: HeaderRule, *, delimiter: str | None = None
    ) -> None:
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n '):
            raise InvalidInputError(
                Text("{delimiter!r} cannot be a delimiter", delimiter=delimiter),
                hint="it is one character, such as , or ;",
            )
        self._lines = iter(lines)
        self._nothing = frozenset((*DELIMITERS, delimiter or "", '"', END_MARK))
        self._taken: list[str] = []
        self.blank = 0
        self.notes: list[Text] = []
        self._number = 0
        head = self._first()
        named = None
        if (told := _named_delimiter(head.lines)) is not None:
            named = told
            self._number -= 1
            head = self._first()
        self.delimiter, self.headers = _header(head.lines, delimiter, named, rule)
        if not rule.likely(self.headers):
            head = self._searched(head, delimiter, named, rule)
        self._lines = chain(self._taken[head.taken :], self._lines)
        self._number, self.blank = head.number, head.blank

    def _searched(
        self, first: _Record, delimiter: str | None, named: str | None, rule: HeaderRule
    ) -> _Record:
        """The record that holds the headers: one of the next if it certainly does, else the first."""
        above = [first]
        while len(above) < SEARCHED and (record := self._record()) is not None:
            try:
                found, headers = _header(record.lines, delimiter, named, rule)
            except InvalidInputError:
                break  # its quotes are broken: no header, and told of in its turn
            if rule.likely(headers):
                titles = [(each.number, _cells(each.lines, found)) for each in above]
                self.notes += passed_over(titles, record.number)
                self.delimiter, self.headers = found, headers
                return record
            above.append(record)
        return first

    def __iter__(self) -> Iterator[RawRow | InvalidJobError]:
        reader = csv.reader(self._lines, delimiter=self.delimiter, strict=True)
        number = self._number
        while True:
            line = reader.line_num
            try:
                for cells in reader:
                    number += 1
                    # The first character tells it of nearly every row.
                    if (not cells or not cells[0] or not cells[0][0].isalnum()) and self._is_blank(cells):
                        self.blank += 1
                    else:
                        yield RawRow(number, cells)
                    line = reader.line_num
            except csv.Error as exc:
                number += 1
                yield self._broken(exc, number, reader.line_num - line)
            except InvalidInputError as exc:
                raise InvalidInputError(
                    Text("row {number}: {message}", number=number + 1, message=exc.text), hint=exc.advice
                ) from exc
            else:
                return

    def _is_blank(self, texts: Iterable[str]) -> bool:
        """Whether these hold nothing: blanks, delimiters of this file or another, marks of its end."""
        return all(char in self._nothing or char.isspace() for text in texts for char in text)

    @staticmethod
    def _broken(exc: csv.Error, row: int, lines: int) -> InvalidJobError:
        """The problem of one broken record; raised as the file's, if what follows cannot be told apart."""
        reason = str(exc)
        if "unexpected end of data" in reason:
            raise InvalidInputError(
                Text(
                    (
                        "row {row}: a quote is never closed; the rest of the file is inside it "
                        "({lines:,} lines)"
                    ),
                    row=row,
                    lines=lines,
                ),
                hint=_QUOTE_HINT,
            ) from exc
        if lines > 1:
            # The quotes are out of step: inside and outside cannot be told apart from here on.
            raise InvalidInputError(
                Text(
                    ("row {row}: a quote is opened and not closed where it should be ({lines:,} lines on)"),
                    row=row,
                    lines=lines,
                ),
                hint=_QUOTE_HINT,
            ) from exc
        if "field larger than field limit" in reason:
            return InvalidJobError(
                Text(
                    "a cell has more than {field_size_limit:,} characters",
                    field_size_limit=csv.field_size_limit(),
                ),
                row=row,
                hint="a picture may be in the cell, or a quote is not closed",
            )
        return InvalidJobError("the quotes of this row are broken", row=row, hint=_QUOTE_HINT)

    def _first(self) -> _Record:
        record = self._record()
        if record is None:
            raise InvalidInputError(
                Text("the file contains only blank lines") if self.blank else Text("the file is empty"),
                hint="the first row must hold the headers, such as key and bot.id",
            )
        return record

    def _record(self) -> _Record | None:
        """The next record that is not blank; None if there is none."""
        lines: list[str] = []
        try:
            for line in self._lines:
                self._taken.append(line)
                lines.append(line)
                record = "".join(lines)
                if record.count('"') % 2 == 0:
                    if not self._is_blank(lines):
                        break
                    self.blank += 1
                    self._number += 1
                    lines.clear()
                elif len(lines) >= _MAX_HEADER_LINES:
                    break  # a quote left open, which `_header` will say
        except InvalidInputError as exc:
            raise InvalidInputError(
                Text("row {number}: {message}", number=self._number + 1, message=exc.text), hint=exc.advice
            ) from exc
        if not lines:
            return None
        self._number += 1
        return _Record(self._number, self.blank, len(self._taken), lines)


def _named_delimiter(lines: list[str]) -> str | None:
    """
    The delimiter that a line `sep=;` names; None if it is no such line.

    A program that took the line for a row has put it in quotes, or its own delimiter behind it.

    >>> [_named_delimiter([line]) for line in ("sep=;", '"sep=;"', "SEP = ;;;;", '"sep=;",,,', "key")]
    [';', ';', ';', ',', None]
    """
    found = _SEP.fullmatch(lines[0].rstrip("\r\n")) if len(lines) == 1 else None
    if found is None:
        return None
    rest = found["rest"].strip(" \"'")
    if not rest:
        named = found["named"]
        return named if named == "\t" or (named.isprintable() and named not in "\"' ") else None
    return rest[0] if rest == rest[0] * len(rest) and rest[0] in DELIMITERS else None


def _header(
    lines: list[str], delimiter: str | None, named: str | None, rule: HeaderRule
) -> tuple[str, tuple[str, ...]]:
    """The delimiter that makes most sense of the header, and the headers it makes."""
    best: tuple[tuple[int, bool, int], str, tuple[str, ...]] | None = None
    error: csv.Error | None = None
    candidates = (delimiter,) if delimiter else dict.fromkeys((*([named] if named else ()), *DELIMITERS))
    for candidate in candidates:
        try:
            records = list(csv.reader(lines, delimiter=candidate, strict=True))
        except csv.Error as exc:
            error = exc
            continue
        if len(records) != 1:
            continue
        headers = tuple(header.strip() for header in records[0])
        # Known names first: a header such as "Nombre, ciudad" must not outvote the real delimiter.
        score = (sum(map(rule.familiar, headers)), candidate == named, len(headers))
        if best is None or score > best[0]:
            best = (score, candidate, headers)
    if best is None:
        raise InvalidInputError("the quotes of the header are broken", hint=_QUOTE_HINT) from error
    return best[1], best[2]


def _cells(lines: list[str], delimiter: str) -> list[str]:
    try:
        return next(csv.reader(lines, delimiter=delimiter), [])
    except csv.Error:
        return lines
