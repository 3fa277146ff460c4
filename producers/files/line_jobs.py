"""The jobs of a file of JSON Lines."""

from __future__ import annotations

from collections.abc import Iterator

from producers.files.column_notes import ColumnNotes
from producers.files.jsonl import read_line
from producers.files.read_options import ReadOptions
from producers.files.source import Source
from producers.files.text import END_MARK, Lines
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.job import NewJob
from provisioning.text import Text


class LineJobs:
    """
    The job of each line, or all its problems; iterate once.

    Args:
        seen: collects notes about the lines.

    Attributes:
        headers, paths, delimiter: empty; only a table has them.
        blank: blank lines skipped so far.
    """

    headers: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    delimiter = ""

    def __init__(self, source: Source, options: ReadOptions, seen: ColumnNotes) -> None:
        self.blank = 0
        self._lines = Lines(source.chunks(), options.encoding)
        self._options = options
        self._seen = seen

    @property
    def notes(self) -> tuple[Text, ...]:
        """Notes about how the file was read, for people."""
        return tuple(self._lines.notes)

    def __iter__(self) -> Iterator[NewJob | list[InvalidJobError]]:
        number = 0
        try:
            for number, line in enumerate(self._lines, 1):
                if line.isspace() or (line[0] == END_MARK and line.strip(END_MARK).isspace()):
                    self.blank += 1
                else:
                    yield read_line(line, number, self._options, self._seen)
        except InvalidInputError as exc:
            raise InvalidInputError(
                Text("line {number}: {message}", number=number + 1, message=exc.text), hint=exc.advice
            ) from exc
