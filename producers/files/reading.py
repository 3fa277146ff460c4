"""
From a file to checked jobs: the one way in for `plan` and `apply`.

Composition only: `source` finds the bytes, `table` the rows of a table, `columns` and `jsonl` judge them.
Nothing is held but the row under way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import MappingProxyType, TracebackType
from typing import Any, BinaryIO, Self

from producers.files.body import check_credential, shorten
from producers.files.column_notes import ColumnNotes
from producers.files.columns import Columns
from producers.files.defaults import check_as_is, check_defaults
from producers.files.fields import is_familiar
from producers.files.file_kinds import Format
from producers.files.header_row import HeaderRule
from producers.files.jsonl import read_line
from producers.files.short_rows import Rules
from producers.files.source import Source
from producers.files.table import Table
from producers.files.text import END_MARK, Lines
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.job import NewJob

_IDENTIFIERS = frozenset(["key", "credential", "bot.id"])
"""What no row may lack a cell for."""


@dataclass(frozen=True)
class ReadOptions:
    """
    How a file is to be read; the defaults suit a file that follows the documentation.

    Attributes:
        maps: what a header of the file means (`bot_id` → `bot.id`); "" passes a column over.
        defaults: body that every row is laid over.
        credential: name of the credentials of a row that names none.
        new_bots: whether a row without a bot id shall make a new bot.
        separator: what separates the items of a list in a cell.
        delimiter: what separates the cells of a CSV row; found out if None.
        encoding: how text is encoded; found out if None.
        format: how rows are written; recognised if None.
        sheet: of a workbook, the one to be read; the first visible one if None.
        as_is: paths whose identifiers are meant as they stand, however odd.
    """

    maps: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    defaults: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    credential: str = "default"
    new_bots: bool = False
    separator: str = ";"
    delimiter: str | None = None
    encoding: str | None = None
    format: Format | None = None
    sheet: str | None = None
    as_is: Collection[str] = ()


class Reading:
    """
    The jobs of one file, and whatever is wrong with its rows, in order; iterate once.

    A thread may read: rows may be blank for ever, and only `stop`, once set, ends that (StoppedError).

    Every row that is not blank gives one `NewJob` or at least one `InvalidJobError`: `rows == good + bad`.

    Attributes:
        headers: the original columns; empty for JSON Lines.
        columns: what each of them means, see `Columns.paths`.
        format: how the rows are written.
        delimiter: what separates the cells of a CSV row; "" for other formats.
        rows, good, bad, blank: rows read so far, those that became jobs, those that did not, and those
            passed over.
        sha256: of the raw input as far as it was read: of the whole file at the end.
        notes: what a person should know and nothing needs to stop for; complete at the end.

    Raises: InvalidInputError at the start if the file cannot be opened or its headers not understood, and
        while iterating if the rest of it cannot be read, or if it held no row at all. Its `__notes__` are the
        notes.
    """

    def __init__(
        self, where: str | Path | BinaryIO, options: ReadOptions | None = None, stop: Event | None = None
    ) -> None:
        self._options = options = options or ReadOptions()
        self.rows = self.good = self.bad = 0
        self.headers: tuple[str, ...] = ()
        self.columns: tuple[str, ...] = ()
        self.delimiter = ""
        self._lines: Lines | None = None
        self._table: Table | None = None
        self._plan: Columns | None = None
        self._blank_lines = 0
        self._seen = ColumnNotes(options.as_is)
        if wrong := check_credential(options.credential):
            raise InvalidInputError(wrong[0], hint=wrong[1])
        check_as_is(options.as_is)
        check_defaults(options.defaults, options.as_is)
        self._source = Source(where, options.format, stop)
        self.format = self._source.format
        try:
            self._items = self._noted(self._opened())
        except BaseException as error:
            self._note(error)
            self.close()
            raise

    def __iter__(self) -> Iterator[NewJob | InvalidJobError]:
        return self._items

    def __next__(self) -> NewJob | InvalidJobError:
        return next(self._items)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()

    @property
    def name(self) -> str:
        """What messages call the file."""
        return self._source.name

    @property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the raw input as far as it was read."""
        return self._source.sha256

    @property
    def blank(self) -> int:
        """Blank rows passed over so far."""
        return self._table.blank if self._table is not None else self._blank_lines

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know and nothing needs to stop for."""
        notes = list(self._lines.notes) if self._lines is not None else []
        if self._table is not None:
            notes += self._table.notes
        if self._plan is not None:
            notes += self._plan.notes
        if self.blank:
            notes.append(f"{self.blank:,} blank {'row was' if self.blank == 1 else 'rows were'} passed over")
        return (*notes, *self._seen.notes())

    def _noted(self, items: Iterator[NewJob | InvalidJobError]) -> Iterator[NewJob | InvalidJobError]:
        try:
            yield from items
        except InvalidInputError as error:
            self._note(error)
            raise

    def _note(self, error: BaseException) -> None:
        """What a person should know is told also where the reading ends in an error: with that."""
        for note in self.notes:
            error.add_note(note)

    def _opened(self) -> Iterator[NewJob | InvalidJobError]:
        options = self._options
        if self.format is Format.JSONL and options.sheet is None:
            self._lines = Lines(self._source.chunks(), options.encoding)
            return self._from_lines(self._lines)
        self._table = table = Table(
            self._source,
            header_rule(options.maps),
            encoding=options.encoding,
            delimiter=options.delimiter,
            sheet=options.sheet,
        )
        self.delimiter = table.delimiter
        self._plan = Columns.parse(
            table.headers,
            maps=options.maps,
            separator=options.separator,
            as_is=options.as_is,
            defaults=options.defaults,
            credential=options.credential,
            new_bots=options.new_bots,
            seen=self._seen,
        )
        self.headers = self._plan.headers
        self.columns = self._plan.paths
        return self._from_table(table, self._plan)

    def _from_table(self, table: Table, plan: Columns) -> Iterator[NewJob | InvalidJobError]:
        bot_id = plan.paths.index("bot.id") if "bot.id" in plan.paths else None
        # A secret in the place of its name is not repeated.
        secret = [column for column, path in enumerate(plan.paths) if path == "credential"]

        def shown(cells: Sequence[str]) -> str:
            return shorten(" | ".join(cell for column, cell in enumerate(cells) if column not in secret))

        identifiers = [column for column, path in enumerate(plan.paths) if path in _IDENTIFIERS]
        rules = Rules(identifiers, bot_id, shown, plan.unfit, plan.no_tenant)
        for record in table.rows(rules):
            self.rows += 1
            if isinstance(record, InvalidJobError):
                self.bad += 1
                yield record
                continue
            wrong = table.wrong_kinds(record, plan.paths, secret) if record.kinds is not None else []
            job = plan.job(record.cells, record.number, refused=bool(wrong))
            if wrong:
                named = {problem.field for problem in wrong}
                others = [] if isinstance(job, NewJob) else job
                job = wrong + [problem for problem in others if problem.field not in named]
            if isinstance(job, NewJob):
                self.good += 1
                yield job
            else:
                self.bad += 1
                yield from job
        self._end()

    def _from_lines(self, lines: Lines) -> Iterator[NewJob | InvalidJobError]:
        number = 0
        try:
            for line in lines:
                number += 1
                if line.isspace() or (line[0] == END_MARK and line.strip(END_MARK).isspace()):
                    self._blank_lines += 1
                    continue
                self.rows += 1
                job = read_object(line, number, self._options, self._seen)
                if isinstance(job, NewJob):
                    self.good += 1
                    yield job
                else:
                    self.bad += 1
                    yield from job
        except InvalidInputError as exc:
            raise InvalidInputError(f"line {number + 1}: {exc.message}", hint=exc.hint) from exc
        self._end()

    def _end(self) -> None:
        if not self.rows:
            raise InvalidInputError(
                f"{self.name} has headers but no rows" if self.headers else f"{self.name} has no rows",
                hint="was it saved with its rows?",
            )


def read_object(
    text: str, number: int, options: ReadOptions, seen: ColumnNotes
) -> NewJob | list[InvalidJobError]:
    """
    The job of one JSON object, or all that is wrong with it; see `read_line`.

    Args:
        number: of its line, or its place in a list, from 1.
    """
    return read_line(
        text,
        number,
        defaults=options.defaults,
        credential=options.credential,
        new_bots=options.new_bots,
        as_is=options.as_is,
        seen=seen,
    )


def header_rule(maps: Mapping[str, str]) -> HeaderRule:
    """What the headers of the tenants' file look like: some of them are columns of ours, or are mapped."""

    def certain(headers: Sequence[str]) -> bool:
        paths = {maps.get(header, header) for header in headers}
        return "bot.id" in paths or ("key" in paths and len(paths) > 1)

    return HeaderRule(familiar=lambda header: header in maps or is_familiar(header), certain=certain)
