"""The jobs of a table: `table` reads its rows, `columns` judges them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from producers.files.body import shorten
from producers.files.column_notes import ColumnNotes
from producers.files.columns import Columns
from producers.files.header_row import HeaderRule
from producers.files.read_options import ReadOptions
from producers.files.short_rows import Rules
from producers.files.source import Source
from producers.files.table import Table
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.job import NewJob


class TableJobs:
    """
    The job of each row, or all that is wrong with it; iterate once.

    Args:
        rule: what the headers look like.
        seen: takes note of what the rows hold.

    Attributes:
        headers: as they stand in the file.
        paths: what each of them means, see `Layout.paths`.
        delimiter: what separates the cells of a CSV row; "" for a workbook.

    Raises: InvalidInputError if it is no table or its headers are not understood.
    """

    def __init__(self, source: Source, rule: HeaderRule, options: ReadOptions, seen: ColumnNotes) -> None:
        self._table = table = Table(
            source, rule, encoding=options.encoding, delimiter=options.delimiter, sheet=options.sheet
        )
        self.delimiter = table.delimiter
        try:
            self._columns = Columns.parse(table.headers, options, seen)
        except InvalidInputError as error:
            for note in table.notes:
                error.add_note(note)
            raise
        self.headers = self._columns.layout.headers
        self.paths = self._columns.layout.paths

    @property
    def blank(self) -> int:
        """Blank rows passed over so far."""
        return self._table.blank

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the file and its headers."""
        return (*self._table.notes, *self._columns.notes)

    def __iter__(self) -> Iterator[NewJob | list[InvalidJobError]]:
        columns = self._columns
        layout = columns.layout
        # A secret in the place of its name is not repeated.
        secret = () if layout.credential is None else (layout.credential,)

        def shown(cells: Sequence[str]) -> str:
            return shorten(" | ".join(cell for column, cell in enumerate(cells) if column not in secret))

        rules = Rules(layout.identifiers, layout.bot_id, shown, columns.unfit, columns.no_tenant)
        for record in self._table.rows(rules):
            if isinstance(record, InvalidJobError):
                yield [record]
                continue
            wrong = self._table.wrong_kinds(record, layout.paths, secret) if record.kinds is not None else []
            job = columns.job(record.cells, record.number, refused=bool(wrong))
            if wrong:
                named = {problem.field for problem in wrong}
                others = [] if isinstance(job, NewJob) else job
                job = wrong + [problem for problem in others if problem.field not in named]
            yield job
