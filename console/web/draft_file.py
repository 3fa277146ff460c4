"""
A file under way, read: what its headers mean, what its rows are, what is wrong with them.

Between the pages and the readers of files: choices of a person go in, findings come out; no ledger, no HTTP.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from console.web.render import _N
from console.words import LANGUAGES, translate
from producers.files.cells import escape, guard
from producers.files.corrections import NONE, Corrections
from producers.files.csv_file import RawRow
from producers.files.fields import FIELDS, SPECIAL_COLUMNS, Kind, is_familiar, nearest
from producers.files.file_kinds import Format
from producers.files.header_row import HeaderRule
from producers.files.headers import understand
from producers.files.package import UPLOADED
from producers.files.read_options import ReadOptions
from producers.files.reading import header_rule
from producers.files.source import Source
from producers.files.table import Table
from provisioning.errors import InvalidInputError, InvalidJobError, ProvisioningError
from provisioning.text import AnyText, Text

SAMPLES = 3
"""Rows that show what a column holds."""

LOOKED_FOR_SAMPLES = 50
"""Rows in which these are looked for."""

MEANINGS: Sequence[str] = (
    *SPECIAL_COLUMNS,
    *(path for path, kind in FIELDS.items() if kind is not Kind.OBJECT),
)
"""What a column may mean."""


class Choices(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What a person has chosen for a file.

    Attributes:
        maps: what its headers mean; "" passes a column over. None until they have said so.
        recalled: whether that is what somebody has said of the same headers before.
        encoding, delimiter, sheet: empty to find them out.
        credential: of rows that name none.
        name: of the batch; empty for that of the file.
    """

    maps: dict[str, str] | None = None
    recalled: bool = False
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""
    credential: str = "default"
    name: str = ""
    corrections: Corrections = NONE

    @property
    def options(self) -> ReadOptions:
        """How the file is to be read. Raises: InvalidInputError."""
        return ReadOptions(
            maps=self.maps or {},
            encoding=self.encoding or None,
            delimiter="\t" if self.delimiter == "tab" else self.delimiter or None,
            sheet=self.sheet or None,
            credential=self.credential,
            corrections=self.corrections,
            bounds=UPLOADED,
        )


class Column(msgspec.Struct, frozen=True):
    """
    A column of a table.

    Attributes:
        samples: some of its values.
        meaning: its path, as far as it is understood; "" if it is passed over, or not understood.
        suggested: what it probably means; "" if nothing is near.
        understood: whether the header needs no mapping.
    """

    header: str
    samples: list[str]
    meaning: str
    suggested: str
    understood: bool


def columns_of(path: Path, choices: Choices) -> list[Column]:
    """
    The columns of a table with what they mean; empty for JSON Lines.

    Raises: InvalidInputError if it cannot be read as a table.
    """
    options = choices.options
    with Source(path, options.format) as source:
        if source.format is Format.JSONL:
            return []
    maps = choices.maps or {}
    rule = HeaderRule(
        familiar=lambda header: header in maps or is_familiar(header) or nearest(header) is not None,
        certain=lambda headers: "bot.id" in {maps.get(header, header) for header in headers},
    )
    with _table(path, rule, options) as table:
        headers = table.headers
        samples: list[list[str]] = [[] for _ in headers]
        for number, row in enumerate(_rows(table)):
            for column, cell in enumerate(row.cells[: len(headers)]):
                if cell.strip() and cell not in samples[column] and len(samples[column]) < SAMPLES:
                    samples[column].append(cell[:80])
            if number >= LOOKED_FOR_SAMPLES:
                break
    return [_column(header, some, maps) for header, some in zip(headers, samples, strict=True)]


def _rows(table: Table) -> Iterator[RawRow]:
    for row in table.rows():
        if isinstance(row, RawRow):
            yield row


def _column(header: str, samples: list[str], maps: Mapping[str, str]) -> Column:
    if header in maps:
        return Column(header, samples, maps[header], maps[header], understood=True)
    try:
        [path], _ = understand([header], {})
        return Column(header, samples, path, path, understood=True)
    except InvalidInputError:
        return Column(header, samples, "", nearest(header) or "", understood=False)


def check_maps(maps: Mapping[str, str]) -> None:
    """Raises: InvalidInputError if two columns mean the same."""
    meant = Counter(path for path in maps.values() if path)
    for path, count in meant.items():
        if count > 1:
            raise InvalidInputError(Text("two columns mean {path}", path=path), hint=_N("choose one of them"))


def write_corrected(path: Path, choices: Choices, where: Path) -> None:
    """
    Writes the table with its corrections as CSV, UTF-8 with a mark, so that spreadsheets read its accents.
    What they would take for a formula is escaped, as in outcome files, and reads back as it was.

    Raises: InvalidInputError if it is no table, or cannot be read.
    """
    with where.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out)
        for number, (row, headers) in enumerate(records(path, choices)):
            if number == 0:
                writer.writerow([escape(guard(header)) for header in headers])
            if corrected := choices.corrections.apply(row, headers):
                writer.writerow([escape(guard(cell)) for cell in corrected.cells])


def records(path: Path, choices: Choices) -> Iterator[tuple[RawRow, Sequence[str]]]:
    """The rows of a table as they stand in the file, each with the headers. Raises: InvalidInputError."""
    options = choices.options
    with _table(path, header_rule(options.maps), options) as table:
        for row in _rows(table):
            yield row, table.headers


def _table(path: Path, rule: HeaderRule, options: ReadOptions) -> Table:
    return Table.at(
        path,
        rule,
        encoding=options.encoding,
        delimiter=options.delimiter,
        sheet=options.sheet,
        bounds=options.bounds,
    )


def cells_of(path: Path, choices: Choices, row: int) -> list[tuple[str, str]]:
    """What stands below each header of a table in a row, with corrections; empty if there is no such row."""
    for record, headers in records(path, choices):
        if record.number == row:
            corrected = choices.corrections.apply(record, headers) or record
            return [(header, cell[:200]) for header, cell in zip(headers, corrected.cells, strict=False)]
        if record.number > row:
            break
    return []


Words = dict[str, str]
"""A text by the code of its language: findings are shown to whoever looks."""


def words_of(text: AnyText) -> Words:
    """A text in every language of the console."""
    return {language: translate(text, language) for language in LANGUAGES}


def way_out(error: ProvisioningError) -> Words:
    """The hint of an error; empty if it names options of the command line, which a page has not."""
    return words_of("" if "--" in error.hint else error.advice)


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with a row."""

    row: int | None
    field: str
    message: Words
    value: str
    hint: Words

    @classmethod
    def of(cls, error: InvalidJobError) -> Problem:
        """The problem that an error tells."""
        return cls(error.row, error.field, words_of(error.text), error.value, way_out(error))


class Findings(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What checking a file has found so far.

    Attributes:
        version: of the choices that it was checked with.
        ended: whether it was checked to its end.
        format, encoding, delimiter: how the file was read; empty where it has none, or is not read yet.
        columns: of a table.
        unmapped: whether a person must say first what columns mean.
        error: why the file cannot be read, and the way out; empty if it can.
        bad_rows, problem_count: all of them; `problems` has the first.
        kinds: how many problems each column has of each kind, the most frequent first.
        verdicts: rows by what the ledger knows of them.
        seconds: how long sending takes at the pace; None if nothing holds it back.
    """

    version: int
    ended: bool = False
    format: str = ""
    encoding: str = ""
    delimiter: str = ""
    columns: list[Column] = []
    unmapped: bool = False
    error: Words = {}
    hint: Words = {}
    rows: int = 0
    bad_rows: int = 0
    problem_count: int = 0
    problems: list[Problem] = []
    kinds: list[tuple[str, Words, int]] = []
    verdicts: dict[str, int] = {}
    to_send: int = 0
    seconds: float | None = None
    notes: list[Words] = []
