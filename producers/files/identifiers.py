"""
Whether a text can be meant as an identifier: a bot's id, a tenant's key, an item of a list.

Pure. The API takes ids as free text, so the rules hold what no id that is publicly known looks like, and what
programs write where they have nothing to say. A person may say that a column is meant as it is
(docs/decisions/0030-what-cannot-be-an-id.md).
"""

from __future__ import annotations

import re
import unicodedata

from producers.files.no_value import stands_for_nothing
from producers.files.other_values import other_value
from producers.files.plain_numbers import plain
from provisioning.text import AnyText, Text

LOST_CHARACTER = Text("holds U+FFFD: a character was lost before")
EXPORT_ANEW = Text("export it anew as UTF-8, from where it comes")
_ALONE = Text("write the id alone, as plain text")
_MADE_OF_IT = Text("write the id there; if a spreadsheet made this of it, format the column as text first")
_WAIT = Text("write the id there, or leave the row out until there is one")
_AS_TEXT = Text("format the column as text, enter the value again and export again")

_ERRORS = re.compile(
    r"#(?:NV|N/[AD]|ND|GETTING_DATA)|#?(?:err(?:ors?|os?|ores)?)(?::\d{3}|!)?"
    r"|(?:loading|cargando|carregando)(?:\.\.\.|…)",
    re.I,
)
_ERROR_STARTS = frozenset("#eElLcC")
_FRACTION_E = re.compile(r"[+-]?\d+[.,]\d+e\d+", re.I)
_ODD = re.compile(r"(?!^\+)[^\w.:@/-]|[^\D0-9]")
"""What no bot's id has: digits of other scripts look like it and are none of its own."""
_GROUPED = re.compile(r"\d{1,3}(?:\.\d{3})+")

KEPT_DIGITS = 15
"""Digits of a number that spreadsheets keep; they write zeros in the place of the others."""

_ROUNDED = re.compile(rf"[1-9][0-9]{{{KEPT_DIGITS - 1}}}(0+)")


def not_meant(text: str) -> tuple[AnyText, AnyText] | None:
    """Why nobody can have meant this as an identifier, and the way out; None if somebody can."""
    if text.isalnum():
        # A word or a number, as nearly all are.
        if not text.isdigit() and (wrong := no_name(text)):
            return wrong
        # One zero may be the last digit of a number that long; two are one in a hundred.
        if len(text) > KEPT_DIGITS + 1 and lost_digits(text) > 1:
            return (
                Text(
                    ("is a number of which a spreadsheet keeps {kept_digits} digits: the others are zeros"),
                    kept_digits=KEPT_DIGITS,
                ),
                _AS_TEXT,
            )
        return None
    if "\ufffd" in text:
        return LOST_CHARACTER, EXPORT_ANEW
    if wrong := no_name(text):
        return wrong
    if not text[0].isalpha() and _FRACTION_E.fullmatch(plain(text)):
        return Text("is a number in scientific notation: digits have been lost"), _AS_TEXT
    if text.startswith('="') and text.endswith('"'):
        return Text("is a formula around the id"), _ALONE
    return None


def not_an_id(text: str) -> tuple[AnyText, AnyText] | None:
    """Why this cannot be a bot's id, and the way out; None if it can. Stricter than `not_meant`."""
    if wrong := not_meant(text):
        return wrong
    if other := other_value(text):
        return Text("is {other}, which is no id", other=other), _MADE_OF_IT
    if stands_for_nothing(text, numbered=True):
        return Text("stands for nothing"), _WAIT
    if odd := _ODD.search(text):
        what: AnyText = Text("a space") if odd[0] == " " else repr(odd[0])
        return Text("holds {what}, which no id has", what=what), _ALONE
    if _GROUPED.fullmatch(plain(text)):
        return Text("is a number with marks between its thousands"), _ALONE
    return None


def no_name(text: str) -> tuple[AnyText, AnyText] | None:
    """Why a text is a word that names nothing; None if it may be a name."""
    # As nearly all keys end; of what stands for nothing only an error does, and those are rare.
    if text[-1].isdigit() and text[0] not in _ERROR_STARTS:
        return None
    if stands_for_nothing(text) or not (any(map(str.isalnum, text)) or any(map(_is_picture, text))):
        return Text("stands for nothing"), _WAIT
    if text[0] in _ERROR_STARTS and is_foreign_error(text):
        return Text("is another program's error"), _ALONE
    return None


def is_foreign_error(text: str) -> bool:
    """Whether a text is what programs other than Excel show in place of a value."""
    return _ERRORS.fullmatch(text) is not None


def lost_digits(text: str) -> int:
    """
    How many zeros a number has where a spreadsheet has them in place of digits; 0 if it may be whole.

    >>> [lost_digits(text) for text in ("1234567890123450", "123456789012345", "12345678901234500", "x")]
    [1, 0, 2, 0]
    """
    found = _ROUNDED.fullmatch(plain(text))
    return len(found[1]) if found else 0


def _is_picture(char: str) -> bool:
    """Whether a character is one such as 🏪, which may be all of a name."""
    return unicodedata.category(char) == "So"
