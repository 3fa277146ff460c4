"""
Values that a cell may well hold, and that are no bot's id: truth values, dates, times, amounts.

Pure. A workbook says of what type a cell is; in text only the shape can tell. An id may begin with `+`, as a
telephone number does, so that a short number with a sign is one and a long one is none. What looks like a day
or a time and cannot be one, such as `99-99-2026`, is an id.
"""

from __future__ import annotations

import re

from producers.files.plain_numbers import plain
from producers.files.truth_words import FALSE_WORDS, TRUE_WORDS
from provisioning.text import Text

_TRUTH = frozenset(word for word in TRUE_WORDS | FALSE_WORDS if len(word) > 1)
"""One letter or digit may be an id."""

_ZERO = re.compile(r"0+")
_SIGNED = re.compile(r"-\d[\d.,]*|\+\d{0,6}")
_FRACTION = re.compile(r"[+-]?(?:\d*[.,]\d+|\d+[.,])")
_TIME = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?(?:\s*[ap]\.?\s?m\.?)?"
_ZONE = r"(?:\s*(?:z|utc|gmt|[+-]\d\d:?\d\d))?"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_YEAR = r"(?:19|20)\d\d"
_NAME = (
    r"(?:jan|ene|feb|fev|mar|abr|apr|mai|may|jun|jul|ago|aug|sep|set|sept|oct|out|nov|dic|dec|dez"
    r"|january|february|march|april|june|july|august|september|october|november|december"
    r"|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|setiembre|octubre|noviembre|diciembre"
    r"|janeiro|fevereiro|março|maio|junho|julho|setembro|outubro|novembro|dezembro)\.?"
)
_DATE = "|".join(
    (
        rf"{_YEAR}(?P<a>[-/.]){_MONTH}(?P=a){_DAY}",
        rf"{_DAY}(?P<b>[-/.]){_MONTH}(?P=b)(?:{_YEAR}|\d\d)",
        rf"{_MONTH}(?P<c>[-/.]){_DAY}(?P=c)(?:{_YEAR}|\d\d)",
        rf"{_YEAR}[-/]{_MONTH}",
        rf"{_MONTH}[-/]{_YEAR}",
        rf"{_DAY}/{_MONTH}|{_MONTH}/{_DAY}",
        rf"{_DAY}(?P<d>[-/. ]){_NAME}(?:(?P=d)(?:{_YEAR}|\d\d))?",
        rf"{_NAME}[-/. ](?:{_YEAR}|\d\d)",
        rf"{_YEAR}[-/. ]{_NAME}(?:[-/. ]{_DAY})?",
    )
)
_AT = re.compile(_TIME + _ZONE, re.I)
_ON = re.compile(rf"(?:{_DATE})(?:(?:t|,?\s+){_TIME}{_ZONE})?", re.I)


def other_value(text: str) -> Text | None:
    """
    What a text is instead of a bot's id, in words; None if it may be one.

    >>> [str(other_value(text)) for text in ("FALSE", "1/2/2026", "9:05", "-1", "1.5", "0")]
    ['a truth value', 'a date', 'a time of day', 'a number with a sign', 'a number with decimals', 'zero']
    >>> [other_value(text) for text in ("593987654321", "+593987654321", "7", "1.2.3", "10-20")]
    [None, None, None, None, None]
    """
    text = plain(text)
    if not any(map(str.isdigit, text)):
        return Text("a truth value") if text.casefold() in _TRUTH else None
    for what, shape in (
        (Text("zero"), _ZERO),
        (Text("a number with a sign"), _SIGNED),
        (Text("a number with decimals"), _FRACTION),
        (Text("a date"), _ON),
        (Text("a time of day"), _AT),
    ):
        if shape.fullmatch(text):
            return what
    return None
