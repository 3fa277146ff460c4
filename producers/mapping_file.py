"""
A file of `--map`s: a CSV of two columns, `old` (as in the tenants' file) and `new` (what it means).

A table and not TOML or JSON, because who has the spreadsheet can make one. An empty `new` passes the column
over.
"""

from __future__ import annotations

from pathlib import Path

from producers.body import shorten
from producers.csv_file import CsvRows
from producers.source import Format, Source
from producers.text import Lines
from provisioning.errors import InvalidInputError, InvalidJobError

HEADERS = ("old", "new")

_HINT = "its first row is old,new, and every other names a column and what it means: bot_id,bot.id"


def read_mapping(path: Path) -> dict[str, str]:
    """
    What each header of a file means, as `ReadOptions.maps` wants it.

    Raises: InvalidInputError, naming the row.
    """
    with Source(path) as source:
        if source.format not in (Format.CSV, Format.TSV):
            raise InvalidInputError(f"the mapping {source.name} is no CSV file", hint=_HINT)
        table = CsvRows(Lines(source.chunks()), familiar=HEADERS.__contains__)
        if tuple(header.lower() for header in table.headers) != HEADERS:
            headers = shorten(", ".join(table.headers))
            raise InvalidInputError(f"the headers of the mapping {source.name} are {headers}", hint=_HINT)
        maps: dict[str, str] = {}
        for record in table:
            if isinstance(record, InvalidJobError):
                raise InvalidInputError(f"row {record.row} of the mapping {source.name}: {record.message}")
            old, *new = (cell.strip() for cell in record.cells)
            if not old or len(new) != 1 or old in maps:
                wrong = f"{old!r} is there already" if old in maps else "it must name an old and a new column"
                raise InvalidInputError(
                    f"row {record.number} of the mapping {source.name}: {wrong}", hint=_HINT
                )
            maps[old] = new[0]
        return maps
