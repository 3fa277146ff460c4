"""
A number format's sections: what each part of the code stands for, and what a section shows.

Pure. A code is taken apart as spreadsheets do; what one would not take makes the section invalid, and nothing
is claimed of it.

Source: ECMA-376 part 1, §18.8.31 (number formats).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

MAX_CODE = 255
"""Characters of a format: no spreadsheet keeps more, and each cell is shown by it."""

_PART = re.compile(
    r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]|General|AM/PM|A/P|E[+-]|y+|m+|d+|h+|s+|.', re.IGNORECASE | re.DOTALL
)
_CONDITION = re.compile(r"\[(<=|>=|<>|<|>|=)(-?\d+(?:\.\d+)?)\]")
_SILENT = re.compile(
    r"\[(?:black|blue|cyan|green|magenta|red|white|yellow|color\d+|\$-[0-9a-f]{1,4})\]", re.IGNORECASE
)
"""Colours, and the language of names of months, which are not followed here."""

_CURRENCY = re.compile(r"\[\$([^\]-]+)(?:-[0-9A-Fa-f]{1,4})?\]")
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_BARE = frozenset(" $-+():^&'~{}<>=")


class Piece(Enum):
    """What a part of a format stands for."""

    LITERAL = auto()
    CURRENCY = auto()
    DIGIT = auto()
    MARK = auto()
    """A point, comma, or percent sign."""
    EXPONENT = auto()
    GENERAL = auto()
    TEXT = auto()
    DATE = auto()
    SLASH = auto()
    """A fraction's, or what separates the parts of a date in this country."""
    ROOM = auto()
    """As wide as a character that is not shown."""
    FILL = auto()
    """Blanks, as many as the width of the column asks for."""
    UNKNOWN = auto()
    """No part that a spreadsheet would take."""


class Shape(Enum):
    """What a section shows."""

    GENERAL = auto()
    WHOLE = auto()
    PERCENT = auto()
    SCIENTIFIC = auto()
    DATE = auto()
    LOCAL = auto()
    """A number with decimals or thousands."""
    TEXT = auto()
    OTHER = auto()
    """Nothing that is followed here: fractions, fixed text."""
    INVALID = auto()
    """What a spreadsheet would not take, so that nobody knows what it shows."""


_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
    "<=": operator.le,
    ">=": operator.ge,
    "<>": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """Which numbers a section is for: those that compare so with a limit."""

    compared: str
    limit: float

    def met_by(self, number: float) -> bool:
        return _COMPARED[self.compared](number, self.limit)


@dataclass(frozen=True, slots=True)
class Section:
    """
    One part of a format: for positive or negative numbers, zero, or text.

    Attributes:
        pieces: what each part stands for, and its text.
        shape: what it shows.
        exact: of a date, whether every country's spreadsheet shows it alike.
        elapsed: whether it counts hours, minutes or seconds beyond a day.
        condition: which numbers it is for; None if its place says so.
    """

    pieces: tuple[tuple[Piece, str], ...]
    shape: Shape
    exact: bool
    elapsed: bool
    condition: Condition | None

    @classmethod
    def parse(cls, parts: list[str]) -> Section:
        condition: Condition | None = None
        pieces: list[tuple[Piece, str]] = []
        for part in parts:
            found = None if pieces else _CONDITION.fullmatch(part)
            if found:
                condition = Condition(found[1], float(found[2]))
            elif pieces or not _SILENT.fullmatch(part):
                # A spreadsheet does not keep a blank at the beginning unless it is quoted.
                pieces.append(_piece(part) if pieces or part != " " else (Piece.UNKNOWN, part))
        kinds = {kind for kind, _ in pieces}
        shape = _shape(pieces, kinds)
        if shape is Shape.DATE and Piece.DIGIT not in kinds:
            # Only before the digits of a second is a point the country's own.
            pieces = [(Piece.LITERAL if text in ".," else kind, text) for kind, text in pieces]
            kinds = {kind for kind, _ in pieces}
        exact = shape is Shape.DATE and kinds <= {Piece.LITERAL, Piece.DATE, Piece.ROOM}
        exact &= all(text in _DATE_PARTS for kind, text in pieces if kind is Piece.DATE)
        elapsed = any(_ELAPSED.fullmatch(text) for kind, text in pieces if kind is Piece.DATE)
        return cls(tuple(pieces), shape, exact, elapsed, condition)

    def filled(self, shown: Callable[[Piece, str], str], sign: str = "") -> str | None:
        """The fixed text around and between what `shown` makes of the other pieces; None if it has no length
        of its own."""
        parts: list[tuple[Piece, str]] = [(Piece.LITERAL, sign)] if sign else []
        for kind, text in self.pieces:
            if kind in _AROUND:
                parts.append((kind, text))
            elif made := shown(kind, text):
                parts.append((kind, made))
        # Nobody sees where room at an edge ends.
        while parts and parts[0][0] in (Piece.ROOM, Piece.FILL):
            del parts[0]
        while parts and parts[-1][0] in (Piece.ROOM, Piece.FILL):
            del parts[-1]
        if any(kind is Piece.FILL for kind, _ in parts):
            return None
        return "".join(text for _, text in parts)

    def digits(self, number: int, sign: str = "") -> str | None:
        """A whole number's digits in their places."""
        digits = str(number) if number else ""
        places = sum(kind is Piece.DIGIT for kind, _ in self.pieces)
        left = places

        def shown(kind: Piece, text: str) -> str:
            nonlocal left
            if kind is not Piece.DIGIT:
                return text
            first, left = left == places, left - 1
            if first and len(digits) > places:
                return digits[: len(digits) - left]
            at = len(digits) - left - 1
            return digits[at] if at >= 0 else {"0": "0", "?": " "}.get(text, "")

        return self.filled(shown, sign)


def sections_of(code: str) -> list[Section]:
    """The sections of a format's code; one that is invalid if it is longer than any spreadsheet's."""
    parts: list[list[str]] = [[]]
    for part in _PART.findall(code) if len(code) <= MAX_CODE else ["\x00"]:
        if part == ";":
            parts.append([])
        else:
            parts[-1].append(part)
    return [Section.parse(section) for section in parts]


_AROUND = frozenset([Piece.LITERAL, Piece.CURRENCY, Piece.ROOM, Piece.FILL])
_PERCENT = re.compile(r"[0#?]+ ?%")
_DATE_PARTS = frozenset(["y", "yy", "yyy", "yyyy", "m", "mm", "d", "dd"])


def _piece(part: str) -> tuple[Piece, str]:
    """What a part of a format stands for."""
    lower = part.lower()
    first = part[0]
    if len(part) > 1 and first in '"\\':
        return Piece.LITERAL, part[1:-1] if first == '"' else part[1:]
    if len(part) == 2 and first in "_*":
        return Piece.ROOM if first == "_" else Piece.FILL if part[1] == " " else Piece.UNKNOWN, " "
    if currency := _CURRENCY.fullmatch(part):
        return Piece.CURRENCY, currency[1]
    if part in _BARE or not first.isascii():
        return Piece.LITERAL, part
    if part in "0#?":
        return Piece.DIGIT, part
    if part in ".,%":
        return Piece.MARK, part
    if part == "/":
        return Piece.SLASH, part
    if lower == "general":
        return Piece.GENERAL, part
    if part == "@":
        return Piece.TEXT, part
    if part in ("E+", "E-"):
        return Piece.EXPONENT, part
    if first.lower() in "ymdhs" or lower in ("am/pm", "a/p") or _ELAPSED.fullmatch(part):
        return Piece.DATE, lower
    return Piece.UNKNOWN, part


def _shape(pieces: list[tuple[Piece, str]], kinds: set[Piece]) -> Shape:
    """What a section of these pieces shows."""
    core = kinds - _AROUND
    count = sum(kind in (Piece.GENERAL, Piece.TEXT) for kind, _ in pieces)
    if Piece.DATE in core:
        # Digits only after a point: of a second.
        known = {Piece.DATE, Piece.SLASH, Piece.MARK} | ({Piece.DIGIT} if Piece.MARK in core else set())
        return Shape.DATE if core <= known else Shape.INVALID
    if core == {Piece.DIGIT}:
        return Shape.WHOLE
    if core == {Piece.DIGIT, Piece.MARK}:
        percent = _PERCENT.fullmatch("".join(text for _, text in pieces))
        return Shape.PERCENT if percent else Shape.LOCAL
    if core | {Piece.MARK} == {Piece.DIGIT, Piece.EXPONENT, Piece.MARK}:
        return Shape.OTHER if kinds & _AROUND else Shape.SCIENTIFIC
    if core == {Piece.GENERAL} and count == 1:
        return Shape.GENERAL
    if core == {Piece.TEXT} and count == 1 and Piece.CURRENCY not in kinds:
        return Shape.TEXT
    return Shape.OTHER if not core or core == {Piece.DIGIT, Piece.SLASH} else Shape.INVALID
