"""
A spreadsheet cell's value as the person sees it, where that is sure.

Pure. Whole numbers come without a decimal point, percent with its sign, dates and times in ISO 8601, formats
of zeros (`00000`) padded. A whole number of more than 15 digits has lost digits in the spreadsheet already;
it comes out in scientific notation, which `body.spreadsheet_damage` reports.

Source: ECMA-376 part 1, §18.8.30 (number formats).
"""

from __future__ import annotations

import datetime
import re
from functools import lru_cache
from typing import NamedTuple

from openpyxl.utils.escape import unescape

_EXACT_WHOLE = 1e15  # doubles hold every whole number of 15 digits
_LITERALS = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')


class _Shape(NamedTuple):
    """How numbers are shown, as far as it matters here."""

    percent: bool
    zeros: int


def shown(value: object, number_format: str = "General") -> str:
    """
    The text of a cell; empty for an empty one.

    Args:
        value: what openpyxl makes of the cell: numbers with a date's format are dates already.
        number_format: the cell's; looked at for numbers only.
    """
    match value:
        case str():
            # `_x000D_` and the like stand for characters that XML cannot hold.
            return unescape(value) if "_x" in value else value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return _number(value, number_format)
        case datetime.datetime():
            moment = _to_the_second(value)
            return moment.isoformat(" ") if moment.time() != datetime.time.min else moment.date().isoformat()
        case datetime.date():
            return value.isoformat()
        case datetime.time():
            return value.isoformat("seconds")
        case datetime.timedelta():
            return _duration(round(value.total_seconds()))
        case _:
            return str(value)


def _number(number: float, number_format: str) -> str:
    shape = _shape(number_format)
    if shape.percent:
        return f"{number * 100:.10g}%"
    if abs(number) >= _EXACT_WHOLE:
        return f"{float(number):.14E}"
    if number == int(number):
        whole = str(int(number))
        return whole.zfill(shape.zeros) if number >= 0 else whole
    return f"{number:.15g}"


@lru_cache(maxsize=1024)
def _shape(number_format: str) -> _Shape:
    bare = _LITERALS.sub("", number_format.split(";")[0])
    return _Shape("%" in bare, len(bare) if bare and not bare.strip("0") else 0)


def _to_the_second(moment: datetime.datetime) -> datetime.datetime:
    """Spreadsheets count in fractions of a day, of which a second is no round one."""
    return (moment + datetime.timedelta(milliseconds=500)).replace(microsecond=0)


def _duration(seconds: int) -> str:
    sign = "-" if seconds < 0 else ""
    minutes, seconds = divmod(abs(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}:{minutes:02}:{seconds:02}"
