"""
A file of `--map`s: a table of two columns, `old` (as in the tenants' file) and `new` (what it means).

A table and not TOML or JSON, because who has the spreadsheet can make one. An empty `new` passes the column
over.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from producers.files.body import shorten
from producers.files.header_row import HeaderRule
from producers.files.table import Table
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.text import Text

HEADERS = ("old", "new")

_RULE = HeaderRule(
    familiar=lambda header: header.lower() in HEADERS,
    certain=lambda headers: tuple(header.lower() for header in headers if header) == HEADERS,
)

_HINT = Text("its first row is old,new, and every other names a column and what it means: bot_id,bot.id")


def pair(text: str) -> tuple[str, str] | None:
    """
    What `OLD=NEW` maps; None if it is no such pair. The last `=` counts: no column of ours has one.

    >>> pair("bot_id=bot.id"), pair("a=b="), pair("bot")
    (('bot_id', 'bot.id'), ('a=b', ''), None)
    """
    old, equals, new = text.rpartition("=")
    return (old, new) if equals and old else None


def read_mapping(path: Path, note: Callable[[Text], None] = lambda _: None) -> dict[str, str]:
    """
    What each header of a file means, as `ReadOptions.maps` wants it.

    Args:
        note: told what a person should know of how it was read.

    Raises: InvalidInputError, naming the row.
    """
    try:
        with Table.at(path, _RULE) as table:
            maps = _maps_of(table)
            for each in table.notes:
                note(Text("the mapping {name}: {note}", name=table.name, note=each))
            return maps
    except InvalidInputError as error:
        if "--" not in error.hint:
            raise
        # The options that say how a file is to be read are about the tenants' file.
        raise InvalidInputError(error.text, hint="save the mapping as CSV UTF-8") from error


def _maps_of(table: Table) -> dict[str, str]:
    if tuple(header.lower() for header in table.headers) != HEADERS:
        headers = shorten(", ".join(table.headers))
        raise InvalidInputError(
            Text("the headers of the mapping {name} are {headers}", name=table.name, headers=headers),
            hint=_HINT,
        )
    maps: dict[str, str] = {}
    for record in table.texts(range(len(HEADERS))):
        if isinstance(record, InvalidJobError):
            wrong = Text(
                "row {row} of the mapping {name}: {message}",
                row=record.row,
                name=table.name,
                message=record.text,
            )
            raise InvalidInputError(wrong, hint=_HINT)
        old, new = (cell.strip() for cell in record.cells)
        if not old or old in maps:
            wrong = (
                Text("{old!r} is there already", old=old)
                if old
                else Text("it must name an old and a new column")
            )
            raise InvalidInputError(
                Text(
                    "row {number} of the mapping {name}: {wrong}",
                    number=record.number,
                    name=table.name,
                    wrong=wrong,
                ),
                hint=_HINT,
            )
        maps[old] = new
    return maps
