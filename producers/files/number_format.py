"""
A spreadsheet cell's number or text as the person sees it, and whether what is seen is all there is.

Pure. A format such as `"EC"00000` shows what the cell does not hold, so ids are read as they are shown. What
each country writes in its own way (decimals, thousands, most dates) is not in the file: such a cell is told
by its kind, as is one whose format is not followed here. A whole number of more than 15 digits has lost
digits in the spreadsheet already; it comes out in scientific notation, and is told by its kind, too.

tests/workbooks/test_number_formats.py compares what is claimed here with what LibreOffice and SheetJS show.

Source: ECMA-376 part 1, §18.8.30 (formats by number) and §18.17.4 (dates).
"""

from __future__ import annotations

import datetime
from decimal import ROUND_HALF_UP, Decimal

from producers.files.cell_kinds import CellKind
from producers.files.format_sections import Piece, Section, Shape, sections_of

EXACT_WHOLE = 1e15
"""Doubles hold every whole number of 15 digits, and spreadsheets keep no more."""

BUILT_IN = {
    0: "General",
    **dict.fromkeys((1, 59), "0"),
    **dict.fromkeys((2, 60), "0.00"),
    **dict.fromkeys((3, 5, 6, 37, 38, 41, 42, 61), "#,##0"),
    **dict.fromkeys((4, 7, 8, 39, 40, 43, 44, 62), "#,##0.00"),
    **dict.fromkeys((9, 67), "0%"),
    **dict.fromkeys((10, 68), "0.00%"),
    11: "0.00E+00",
    **dict.fromkeys((12, 69), "# ?/?"),
    **dict.fromkeys((13, 70), "# ??/??"),
    **dict.fromkeys((*range(14, 18), 22, *range(27, 32), 36, *range(50, 59), *range(71, 76), 78), "d/m/yyyy"),
    **dict.fromkeys((*range(18, 22), *range(32, 36), 45, 47, 76, 77, 79, 81), "h:mm:ss"),
    **dict.fromkeys((46, 80), "[h]:mm:ss"),
    48: "##0.0E+0",
    49: "@",
}
"""The formats that a workbook names by number; each country has its own dates and currency behind them."""


class NumberFormat:
    """
    How a cell shows its value.

    Attributes:
        plain: whether a whole number is shown as its digits and nothing else.
    """

    __slots__ = ("_conditional", "_sections", "_text", "plain")

    def __init__(self, code: str = "General") -> None:
        sections = sections_of(code)
        self.plain = code.lower() in ("general", "0", "#", "@", "")
        # Text has the fourth section, or else the last if it is one for text; all others are for numbers.
        last = sections[-1]
        names_text = any(kind is Piece.TEXT for kind, _ in last.pieces)
        self._text = last if names_text or len(sections) == 4 else None
        if self._text is not None:
            sections.pop()
        self._sections = sections or [_GENERAL]
        # Of a condition in another place, spreadsheets do not agree what it is for.
        conditions = [section.condition is not None for section in self._sections]
        self._conditional = any(conditions)
        if (
            len(sections) > 3
            or (self._conditional and conditions not in ([True], [True, False], [True, True, False]))
            or (last.condition is not None and self._text is not None)
            or any(section.shape is Shape.INVALID for section in (*sections, last))
        ):
            self._sections, self._conditional = [_OTHER], False
            self._text = self._text and _OTHER

    def text(self, text: str) -> tuple[str, CellKind | None]:
        """What is shown of a text, and its kind if that is not all the cell holds."""
        if self.plain or self._text is None:
            return text, None
        shown = self._text.filled(lambda *_: text) if self._text.shape is Shape.TEXT else None
        # Of a text of several lines, LibreOffice shows no format.
        if shown is None or (shown != text and "\n" in text):
            return text, CellKind.FORMATTED
        return shown, None

    def number(self, number: float, *, since_1904: bool = False) -> tuple[str, CellKind | None]:
        """What is shown of a number, and its kind unless that is a whole number with all of its digits."""
        if abs(number) >= EXACT_WHOLE:
            return f"{number:.14E}", CellKind.ROUNDED
        whole = number == int(number)
        held = str(int(number)) if whole else f"{number:.15g}"
        section, sign = self._chosen(number)
        shown: str | None = None
        match section.shape:
            case Shape.DATE:
                return _date(number, section, since_1904=since_1904)
            case Shape.PERCENT:
                percent = int((Decimal(f"{abs(number):.15g}") * 100).quantize(Decimal(1), ROUND_HALF_UP))
                if percent < EXACT_WHOLE and (shown := section.digits(percent, sign if percent else "")):
                    return shown, CellKind.PERCENTAGE
            case Shape.LOCAL:
                return held, CellKind.LOCAL
            case Shape.GENERAL | Shape.SCIENTIFIC if not whole:
                return held, CellKind.LOCAL
            case Shape.SCIENTIFIC:
                return held, None
            case Shape.GENERAL if number >= 0 or (sign and len(section.pieces) == 1):
                digits = str(abs(int(number)))
                shown = section.filled(lambda *_: digits, sign)
            case Shape.WHOLE if whole:
                shown = section.digits(abs(int(number)), sign)
        return (shown, None) if shown else (held, CellKind.FORMATTED)

    def _chosen(self, number: float) -> tuple[Section, str]:
        """The section for this number, and the sign that is shown before what it shows."""
        sections = self._sections
        if self._conditional:
            # Spreadsheets do not agree on the sign.
            return (_OTHER if number < 0 else self._conditioned(number)), ""
        if number < 0 and len(sections) > 1:
            return sections[1], ""
        if number == 0 and len(sections) > 2:
            return sections[2], ""
        return sections[0], "-" if number < 0 else ""

    def _conditioned(self, number: float) -> Section:
        """The first section whose condition is met, or else the one without a condition."""
        for section in self._sections:
            if section.condition is None or section.condition.met_by(number):
                return section
        return _OTHER


_GENERAL = Section.parse(["General"])
_OTHER = Section.parse([])


def _date(serial: float, section: Section, *, since_1904: bool) -> tuple[str, CellKind]:
    """The date that is shown, or in ISO 8601 if each country shows it in its own way."""
    if section.elapsed:
        return _duration(round(serial * 86400)) if abs(serial) < 1e9 else f"{serial:.15g}", CellKind.DATE
    if not 0 <= serial < 2_958_466 - (1462 if since_1904 else 0):
        return f"{serial:.15g}", CellKind.DATE
    days, part = divmod(serial, 1)
    # To the second: spreadsheets count in fractions of a day, of which a second is no round one.
    seconds = min(round(part * 86400), 86399)
    time = (datetime.datetime.min + datetime.timedelta(seconds=seconds)).time()
    if not days and not since_1904:
        return time.isoformat(), CellKind.DATE
    # Spreadsheets hold 1900 for a leap year, and do not agree on the days before its March.
    base = datetime.date(1904, 1, 1) if since_1904 else datetime.date(1899, 12, 31 if days < 60 else 30)
    day = base + datetime.timedelta(days=int(days))
    if (
        section.exact
        and (since_1904 or days > 60)
        and (shown := section.filled(lambda _, part: _of(day, part)))
    ):
        return shown, CellKind.DAY
    return f"{day} {time}" if seconds else day.isoformat(), CellKind.DATE


def _of(day: datetime.date, part: str) -> str:
    """Its year, month or day, as a part of a format asks for it."""
    if part[0] == "y":
        return f"{day.year:04}" if len(part) > 2 else f"{day.year % 100:02}"
    number = day.month if part[0] == "m" else day.day
    return f"{number:02}" if len(part) == 2 else str(number)


def _duration(seconds: int) -> str:
    sign = "-" if seconds < 0 else ""
    minutes, seconds = divmod(abs(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}:{minutes:02}:{seconds:02}"
