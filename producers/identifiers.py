"""
Whether a text can be meant as an identifier: a bot's id, a tenant's key, an item of a list.

Pure. The API takes ids as free text, so the rules hold what no id that is publicly known looks like, and what
programs write where they have nothing to say. A person may say that a column is meant as it is
(docs/decisions/0030-what-cannot-be-an-id.md).
"""

from __future__ import annotations

import re

AS_IS_HINT = "write the id alone, as plain text; if it is meant so, say it: --as-is"

_NOTHING = frozenset(
    ["null", "none", "nil", "nan", "undefined", "n/a", "n/d", "\\n", "(null)", "(none)", "(blank)", "(vacío)"]
)
_ERRORS = re.compile(
    r"#(?:NV|N/[AD]|ND|GETTING_DATA)|err(?:or)?:\d{3}|(?:loading|cargando)(?:\.\.\.|…)", re.I
)
_FRACTION_E = re.compile(r"[+-]?\d+[.,]\d+e\d+", re.I)
_ID = re.compile(r"\+?[\w.:@/-]+")
_GROUPED = re.compile(r"\d{1,3}(?:\.\d{3})+")


def not_meant(text: str) -> str | None:
    """Why nobody can have meant this as an identifier, in words; None if somebody can."""
    if text.isalnum():
        return "stands for nothing" if text.casefold() in _NOTHING else None
    if "\ufffd" in text:
        return "holds U+FFFD: a character was lost before"
    if text.casefold() in _NOTHING or not any(map(str.isalnum, text)):
        return "stands for nothing"
    if _ERRORS.fullmatch(text):
        return "is another program's error"
    if _FRACTION_E.fullmatch(text):
        return "is a number in scientific notation: digits have been lost"
    if text.startswith('="') and text.endswith('"'):
        return "is a formula around the id"
    return None


def not_an_id(text: str) -> str | None:
    """Why this cannot be a bot's id, in words; None if it can. Stricter than `not_meant`."""
    if wrong := not_meant(text):
        return wrong
    if not _ID.fullmatch(text):
        odd = next(char for char in text if not (char.isalnum() or char in "_.:@/-"))
        what = "a space" if odd == " " else repr(odd)
        return f"holds {what}, which no id has"
    if _GROUPED.fullmatch(text):
        return "is a number with marks between its thousands"
    return None
