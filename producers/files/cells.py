"""
A body as cells: the inverse of `rows`, for outcome files that can be mended and applied again.

Pure. Reading the cells back with the same separator gives an equal body (same fingerprint); a property test
holds the two together. What a plain cell cannot say (a number, null, "", a name with a dot, …) travels as a
JSON object in the cell of the nearest object above it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from producers.files.body import is_error_value
from producers.files.fields import FIELDS, Kind, documented_spelling
from provisioning.printable import is_shown, printable, printable_json

OUTCOME_PREFIX = "outcome."
"""Columns so named are added by exports (why a row failed, what it made); reading passes them over."""

_ESCAPED = ("=", "+", "-", "@", "\t", "\r", "'")

_INSIDE = re.compile(r"([;\t\r\n])(?=[=+\-@'])")
"""Where a program that separates by semicolons, tabs or lines would see the beginning of a formula."""

_GUARDED = re.compile(r"([;\t\r\n])'(?=[=+\-@'])")

_STEERING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Characters that steer a terminal, or show a text in another order than it has."""


def escape(text: str) -> str:
    """
    The text in a form that no spreadsheet runs as a formula; `unescape` undoes it exactly.

    A leading `=`, `+`, `-`, `@`, tab or carriage return gets an apostrophe before it; so does a leading
    apostrophe, which makes this reversible for every text.
    """
    return "'" + text if text.startswith(_ESCAPED) else text


def unescape(text: str) -> str:
    """The text that `escape` was given; a lone leading apostrophe before anything else is left alone."""
    return text[1:] if text[:1] == "'" and text.startswith(_ESCAPED, 1) else text


def guard(text: str) -> str:
    """
    The text without a formula in the midst of it, for programs that take semicolons, tabs or line ends for
    the end of a cell; `unguard` undoes it exactly. `escape` guards the beginning of a cell.

    >>> guard("a;=1+1;b")
    "a;'=1+1;b"
    """
    return _INSIDE.sub(r"\1'", text)


def unguard(text: str) -> str:
    """The text that `guard` was given."""
    return _GUARDED.sub(r"\1", text)


def inert(text: str) -> str:
    """
    A text that only people read: guarded, on one line, with nothing that steers a terminal.

    >>> inert("a;=1+1\\x1b[2J")
    "a;'=1+1\\\\x1b[2J"
    """
    return printable(guard(text))


def csv_line(cells: Iterable[str]) -> str:
    """
    A line of a CSV file, quoted also for programs that take semicolons and tabs for separators.

    >>> csv_line(["a;b", "c"])
    '"a;b",c\\r\\n'
    """
    return ",".join(_quoted(cell) for cell in cells) + "\r\n"


_TO_QUOTE = re.compile(r'[,;"\t\r\n]|^\s|\s$')


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _TO_QUOTE.search(cell) else cell


def cells_of(body: Mapping[str, Any], *, separator: str = ";") -> dict[str, str]:
    """
    The cells, by dotted header, that read back as this body. They are not escaped: see `escape`.

    Args:
        body: one that `check_body` finds nothing wrong with.
        separator: what separates the items of a list in a cell.
    """
    cells: dict[str, str] = {}
    bot_id = body.get("bot", {}).get("id")
    if bot_id is not None:
        cells["bot.id"] = bot_id
    _spell(body.get("widget", {}), "widget", cells)
    # `widget` is always sent, so that an empty one needs no cell.
    if cells.get("widget") == "{}":
        del cells["widget"]
    if "credentials" in body:
        credentials = body["credentials"]
        for name, items in credentials.items():
            cells[f"credentials.{name}"] = _list_cell(items, separator)
        if not credentials:
            cells["credentials"] = "{}"
    return cells


def columns_for(
    bodies: Iterable[Mapping[str, Any]], original: Sequence[str] = (), *, separator: str = ";"
) -> list[str]:
    """
    Headers that hold every one of these bodies: the original ones in their order, then what else is needed.

    Args:
        bodies: they are walked once and not kept.
        original: dotted headers of the file that the bodies came from.
    """
    # A dict, because it keeps the order in which columns are first needed.
    columns = dict.fromkeys(original)
    for body in bodies:
        for header in cells_of(body, separator=separator):
            columns.setdefault(header)
    return list(columns)


def is_plain_name(name: str) -> bool:
    """Whether a member's name can be one step of a dotted header."""
    return bool(name) and "." not in name and name == name.strip() and is_shown(name)


def is_plain_text(text: str) -> bool:
    """Whether a cell under `widget` that holds this text reads back as this text."""
    return (
        bool(text)
        and not text.isspace()
        and text[0] not in "{["
        and not is_error_value(text)
        and _is_inert(text)
    )


def _is_inert(text: str) -> bool:
    return _INSIDE.search(text) is None and _STEERING.search(text) is None


def _encode(value: Any) -> str:
    """JSON that is inert: a semicolon before a formula, and what would not print, stand as escapes."""
    return _INSIDE.sub("\\\\u003b", printable_json(msgspec.json.encode(value).decode()))


def _spell(members: Mapping[str, Any], path: str, cells: dict[str, str]) -> None:
    rest: dict[str, Any] = {}
    for name, value in members.items():
        here = f"{path}.{name}"
        if not is_plain_name(name) or not _is_inert(name) or documented_spelling(here) is not None:
            rest[name] = value
        elif isinstance(value, dict):
            _spell(value, here, cells)
        elif isinstance(value, list):
            cells[here] = _encode(value)
        elif isinstance(value, bool) and FIELDS.get(here) is Kind.FLAG:
            cells[here] = "true" if value else "false"
        elif isinstance(value, str) and is_plain_text(value):
            cells[here] = value
        else:
            rest[name] = value
    if rest or not members:
        cells[path] = _encode(rest)


def _list_cell(items: Sequence[str], separator: str) -> str:
    text = separator.join(items)
    # Written as JSON where splitting and stripping would not give the same items back.
    back = split_list(text, separator) == list(items)
    if not text or text[0] == "[" or is_error_value(text) or not back or not _is_inert(text):
        return _encode(items)
    return text


def split_list(text: str, separator: str) -> list[str]:
    """The items of a list's cell: without the spaces around them, and without the blank ones."""
    return [item for part in text.split(separator) if (item := part.strip())]
