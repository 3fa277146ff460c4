"""
A spreadsheet cell's number or text as the person sees it, and whether what is seen is all there is.

Pure. A format such as `"EC"00000` shows what the cell does not hold, so ids are read as they are shown. Dates
come in ISO 8601. A whole number of more than 15 digits has lost digits in the spreadsheet already; it comes
out in scientific notation, and is reported by its kind.

Source: ECMA-376 part 1, §18.8.30 (number formats) and §18.17.4 (dates).
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from producers.cell_kinds import CellKind

EXACT_WHOLE = 1e15
"""Doubles hold every whole number of 15 digits, and spreadsheets keep no more."""

BUILT_IN = {
    0: "General",
    1: "0",
    2: "0.00",
    3: "#,##0",
    4: "#,##0.00",
    9: "0%",
    10: "0.00%",
    11: "0.00E+00",
    12: "# ?/?",
    13: "# ??/??",
    **dict.fromkeys((14, 15, 16, 17, *range(27, 32), 36, *range(50, 59)), "yyyy-mm-dd"),
    **dict.fromkeys((18, 19, 20, 21, 32, 33, 34, 35, 45, 47), "hh:mm:ss"),
    22: "yyyy-mm-dd hh:mm",
    **dict.fromkeys((37, 38, 41, 42), "#,##0"),
    **dict.fromkeys((39, 40, 43, 44), "#,##0.00"),
    46: "[h]:mm:ss",
    48: "##0.0E+0",
    49: "@",
}
"""The formats that a workbook names by number; of dates only that they are dates matters here."""

_TOKEN = re.compile(r'"[^"]*"?|\\.|_.|\*.|\[[^\]]*\]|General|AM/PM|A/P|E[+-]|.', re.IGNORECASE | re.DOTALL)
_CONDITION = re.compile(r"\[[<>=]")
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_DIGITS = "0#?"
_MIDNIGHT = datetime.time()


@dataclass(frozen=True, slots=True)
class Section:
    """
    One part of a format: for positive or negative numbers, zero, or text.

    Attributes:
        pieces: placeholders and literals in their order; literals begin with a quote.
        marks: the characters that are neither.
        elapsed: whether it counts hours beyond a day.
        conditional: whether it holds for some numbers only.
    """

    pieces: tuple[str, ...]
    marks: frozenset[str]
    elapsed: bool
    conditional: bool

    @classmethod
    def parse(cls, pieces: list[str]) -> Section:
        kept: list[str] = []
        marks: set[str] = set()
        elapsed = conditional = False
        for piece in pieces:
            lower = piece.lower()
            if piece[0] == '"':
                kept.append('"' + piece.strip('"'))
            elif piece[0] == "\\":
                kept.append('"' + piece[1:])
            elif piece[0] in "_*" and len(piece) == 2:
                continue  # room or filling, which is no part of the text
            elif piece[0] == "[" and len(piece) > 1:
                elapsed |= _ELAPSED.fullmatch(piece) is not None
                conditional |= _CONDITION.match(piece) is not None
                if piece.startswith("[$") and (sign := piece[2:-1].partition("-")[0]):
                    kept.append('"' + sign)
            elif piece in _DIGITS or piece == ".":
                kept.append(piece)
            elif lower in ("general", "@", "%", ",", "am/pm", "a/p", "e+", "e-") or lower in "dmyhs":
                marks.add("date" if lower in "dmyhs" or "/p" in lower else lower[0])
                kept.append(lower)
            else:
                kept.append('"' + piece)
        return cls(tuple(kept), frozenset(marks), elapsed, conditional)

    @property
    def is_date(self) -> bool:
        """Whether it shows a number as a date or a time."""
        return self.elapsed or ("date" in self.marks and "g" not in self.marks)

    @property
    def decimals(self) -> int:
        """Digits after the point."""
        if "." not in self.pieces:
            return 0
        return sum(piece in _DIGITS for piece in self.pieces[self.pieces.index(".") + 1 :])

    def literal(self) -> str:
        """All of its fixed text."""
        return "".join(piece[1:] for piece in self.pieces if piece[0] == '"')

    def whole(self, number: int) -> str:
        """The digits in their places, and the fixed text around and between them."""
        digits = str(number)
        places = [at for at, piece in enumerate(self.pieces) if piece in _DIGITS]
        out: list[str] = []
        for at in range(len(self.pieces) - 1, -1, -1):
            piece = self.pieces[at]
            if piece[0] == '"':
                out.append(piece[1:])
            elif piece in _DIGITS:
                if at == places[0]:
                    taken, digits = digits, ""
                else:
                    taken, digits = digits[-1:], digits[:-1]
                if number == 0 and piece != "0":
                    taken = ""
                out.append(taken or ("0" if piece == "0" else ""))
        return "".join(reversed(out)).strip()


class NumberFormat:
    """
    How a cell shows its value.

    Attributes:
        plain: whether a whole number is shown as its digits and nothing else.
    """

    __slots__ = ("_sections", "plain")

    def __init__(self, code: str = "General") -> None:
        sections: list[list[str]] = [[]]
        for piece in _TOKEN.findall(code):
            if piece == ";":
                sections.append([])
            else:
                sections[-1].append(piece)
        self._sections = tuple(map(Section.parse, sections))
        self.plain = code.lower() in ("general", "0", "#", "@", "")

    def text(self, text: str) -> tuple[str, CellKind | None]:
        """What is shown of a text, and its kind if that is not all the cell holds."""
        if self.plain:
            return text, None
        last = self._sections[-1]
        if "@" in last.marks:
            return "".join(
                text if piece == "@" else piece[1:] if piece[0] == '"' else "" for piece in last.pieces
            ), None
        return text, CellKind.FORMATTED if len(self._sections) == 4 else None

    def number(self, number: float, *, since_1904: bool = False) -> tuple[str, CellKind | None]:
        """What is shown of a number, and its kind unless that is a whole number with all of its digits."""
        section, negative = self._chosen(number)
        if section.is_date:
            return _moment(number, section, since_1904=since_1904), CellKind.DATE
        if "%" in section.marks:
            shown = _rounded(abs(number) * 100, section.decimals)
            return f"{'-' if negative and shown.strip('0.') else ''}{shown}%", CellKind.PERCENTAGE
        whole = number == int(number)
        if abs(number) >= EXACT_WHOLE and whole:
            return f"{float(number):.14E}", CellKind.ROUNDED
        if section.marks & {"g", "@", "e"}:
            if section.literal() and not section.marks & {"e"}:
                sign = "-" if negative else ""
                digits = str(abs(int(number))) if whole else f"{abs(number):.15g}"
                text = "".join(
                    digits if piece in ("general", "@") else piece[1:] if piece[0] == '"' else ""
                    for piece in section.pieces
                )
                return sign + text, None if whole else CellKind.FORMATTED
            return (str(int(number)), None) if whole else (f"{number:.15g}", CellKind.FORMATTED)
        if section.conditional or not any(piece in _DIGITS for piece in section.pieces):
            return str(int(number)) if whole else f"{number:.15g}", CellKind.FORMATTED
        if "," in section.marks or "." in section.pieces or not whole or '"/' in section.pieces:
            # Thousands, currency and fractions are written otherwise in each country: the number counts.
            exact = "," in section.marks or '"/' in section.pieces
            text = f"{number:.15g}" if exact else _signed(number, section.decimals)
            return text, CellKind.FORMATTED
        shown = section.whole(abs(int(number)))
        return ("-" + shown if negative else shown), None if shown else CellKind.FORMATTED

    def _chosen(self, number: float) -> tuple[Section, bool]:
        """The section for this number, and whether a minus is shown before what it shows."""
        sections = self._sections
        if number < 0 and len(sections) > 1:
            return sections[1], False
        if number == 0 and len(sections) > 2:
            return sections[2], False
        return sections[0], number < 0


def _signed(number: float, decimals: int) -> str:
    text = _rounded(abs(number), decimals)
    return "-" + text if number < 0 and text.strip("0.") else text


def _rounded(number: float, decimals: int) -> str:
    """Rounded as a spreadsheet does: half away from zero, of the 15 digits that it knows."""
    exact = Decimal(f"{number:.15g}")
    if exact.adjusted() > 20:
        return f"{number:.14E}"
    return f"{exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP):f}"


def _moment(serial: float, section: Section, *, since_1904: bool) -> str:
    if section.elapsed:
        return _duration(round(serial * 86400)) if abs(serial) < 1e9 else f"{serial:.15g}"
    if not 0 <= serial < 2_958_466:
        return f"{serial:.15g}"
    if serial < 1 and not since_1904:
        return (datetime.datetime.min + _days(serial)).time().isoformat()
    # Spreadsheets hold 1900 for a leap year.
    late = 1 if serial < 60 else 0
    base = datetime.datetime(1904, 1, 1) if since_1904 else datetime.datetime(1899, 12, 30 + late)
    try:
        moment = base + _days(serial)
    except OverflowError:
        return f"{serial:.15g}"
    return moment.isoformat(" ") if moment.time() != _MIDNIGHT else moment.date().isoformat()


def _days(serial: float) -> datetime.timedelta:
    """To the second: spreadsheets count in fractions of a day, of which a second is no round one."""
    return datetime.timedelta(seconds=round(serial * 86400))


def _duration(seconds: int) -> str:
    sign = "-" if seconds < 0 else ""
    minutes, seconds = divmod(abs(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}:{minutes:02}:{seconds:02}"
