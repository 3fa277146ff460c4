"""
From a file to checked jobs: the one way in for `plan` and `apply`.

Composition only: `source` finds the bytes, `table_jobs` and `line_jobs` make jobs of them.
Nothing is held but the row under way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import BinaryIO, Self

from producers.files.column_notes import ColumnNotes
from producers.files.fields import is_familiar
from producers.files.file_kinds import Format
from producers.files.header_row import HeaderRule
from producers.files.line_jobs import LineJobs
from producers.files.read_options import PLAIN, ReadOptions
from producers.files.source import Source
from producers.files.table_jobs import TableJobs
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.job import NewJob
from provisioning.text import Text, plural


class Reading:
    """
    The jobs of one file, and whatever is wrong with its rows, in order; iterate once.

    A thread may read: rows may be blank for ever, and only `stop`, once set, ends that (StoppedError).

    Every row that is not blank gives one `NewJob` or at least one `InvalidJobError`: `rows == good + bad`.

    Attributes:
        format: how the rows are written.
        headers: the original columns; empty for JSON Lines.
        columns: what each of them means, see `ColumnLayout.paths`.
        delimiter: what separates the cells of a CSV row; "" for other formats.
        good, bad: rows that became jobs so far, and those that did not.

    Raises: InvalidInputError at the start if the file cannot be opened or its headers not understood, and
        while iterating if the rest of it cannot be read, or if it held no row at all. Its `notes` are the
        notes.
    """

    def __init__(
        self, where: str | Path | BinaryIO, options: ReadOptions = PLAIN, stop: Event | None = None
    ) -> None:
        self.good = self.bad = 0
        self._source = Source(where, options.format, stop)
        self.format = self._source.format
        self._seen = ColumnNotes(options.as_is)
        try:
            self._jobs = self._opened(options)
        except BaseException:
            self.close()
            raise
        self.headers = self._jobs.headers
        self.columns = self._jobs.paths
        self.delimiter = self._jobs.delimiter
        self._items = self._read()

    def _opened(self, options: ReadOptions) -> TableJobs | LineJobs:
        # The table refuses a sheet of what has none.
        if self.format is Format.JSONL and options.sheet is None:
            return LineJobs(self._source, options, self._seen)
        return TableJobs(self._source, header_rule(options.maps), options, self._seen)

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
        """Closes the file."""
        self._source.close()

    @property
    def name(self) -> str:
        """What messages call the file."""
        return str(self._source.name)

    @property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the raw input as far as it was read: of the whole file at the end."""
        return self._source.sha256

    @property
    def rows(self) -> int:
        """Rows read so far that are not blank."""
        return self.good + self.bad

    @property
    def encoding(self) -> str:
        """What the text of a table was taken for, as far as it was read; "" for other formats."""
        return self._jobs.encoding if isinstance(self._jobs, TableJobs) else ""

    @property
    def blank(self) -> int:
        """Blank rows passed over so far."""
        return self._jobs.blank

    @property
    def notes(self) -> tuple[Text, ...]:
        """What a person should know and nothing needs to stop for; complete at the end."""
        blank = self.blank
        passed_over = [plural("1 blank row was passed over", "{count:,} blank rows were passed over", blank)]
        return (*self._jobs.notes, *(passed_over if blank else ()), *self._seen.notes())

    def by_row(self) -> Iterator[NewJob | list[InvalidJobError]]:
        """The job of each row, or all its problems together; instead of iterating over the reading itself."""
        try:
            yield from self._counted()
        except InvalidInputError as error:
            error.notes += self.notes
            raise

    def _read(self) -> Iterator[NewJob | InvalidJobError]:
        for job in self.by_row():
            if isinstance(job, NewJob):
                yield job
            else:
                yield from job

    def _counted(self) -> Iterator[NewJob | list[InvalidJobError]]:
        for job in self._jobs:
            if isinstance(job, NewJob):
                self.good += 1
            else:
                self.bad += 1
            yield job
        if not self.rows:
            raise InvalidInputError(
                Text("{name} has headers but no rows", name=self._source.name)
                if self.headers
                else Text("{name} has no rows", name=self._source.name),
                hint="was it saved with its rows?",
            )


def header_rule(maps: Mapping[str, str]) -> HeaderRule:
    """What the headers of the tenants' file look like: some of them are columns of ours, or are mapped."""

    def certain(headers: Sequence[str]) -> bool:
        paths = {maps.get(header, header) for header in headers}
        return "bot.id" in paths or ("key" in paths and len(paths) > 1)

    return HeaderRule(familiar=lambda header: header in maps or is_familiar(header), certain=certain)
