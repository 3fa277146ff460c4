"""
A body as cells: the inverse of `rows`, for outcome files that can be mended and applied again.

Pure. Reading the cells back with the same separator gives an equal body (same fingerprint); a property test
holds the two together. What a plain cell cannot say (a number, null, "", a name with a dot, …) travels as a
JSON object in the cell of the nearest object above it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from producers.body import is_error_value
from producers.fields import FIELDS, Kind, documented_spelling

OUTCOME_PREFIX = "outcome."
"""Columns so named are added by exports (why a row failed, what it made); reading passes them over."""

_ESCAPED = ("=", "+", "-", "@", "\t", "\r", "'")

_encode = msgspec.json.Encoder().encode


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
    return bool(name) and "." not in name and name == name.strip() and name.isprintable()


def is_plain_text(text: str) -> bool:
    """Whether a cell under `widget` that holds this text reads back as this text."""
    return bool(text) and not text.isspace() and text[0] not in "{[" and not is_error_value(text)


def _spell(members: Mapping[str, Any], path: str, cells: dict[str, str]) -> None:
    rest: dict[str, Any] = {}
    for name, value in members.items():
        here = f"{path}.{name}"
        if not is_plain_name(name) or documented_spelling(here) is not None:
            rest[name] = value
        elif isinstance(value, dict):
            _spell(value, here, cells)
        elif isinstance(value, list):
            cells[here] = _encode(value).decode()
        elif isinstance(value, bool) and FIELDS.get(here) is Kind.FLAG:
            cells[here] = "true" if value else "false"
        elif isinstance(value, str) and is_plain_text(value):
            cells[here] = value
        else:
            rest[name] = value
    if rest or not members:
        cells[path] = _encode(rest).decode()


def _list_cell(items: Sequence[str], separator: str) -> str:
    text = separator.join(items)
    # Written as JSON where splitting and stripping would not give the same items back.
    if not text or text[0] == "[" or is_error_value(text) or split_list(text, separator) != list(items):
        return _encode(items).decode()
    return text


def split_list(text: str, separator: str) -> list[str]:
    """The items of a list's cell: without the spaces around them, and without the blank ones."""
    return [item for part in text.split(separator) if (item := part.strip())]
