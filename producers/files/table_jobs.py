"""The jobs of a table: `table` reads its rows, `row_converter` converts them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from producers.files.body import shorten
from producers.files.column_notes import ColumnNotes
from producers.files.header_row import HeaderRule
from producers.files.read_options import ReadOptions
from producers.files.row_converter import RowConverter
from producers.files.short_rows import Rules
from producers.files.source import Source
from producers.files.table import Table
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.job import NewJob
from provisioning.text import Text


class TableJobs:
    """
    The job of each row, or all its problems; iterate once.

    Args:
        rule: recognises the header row.
        seen: collects notes about the rows.

    Attributes:
        headers: as written in the file.
        paths: the meaning of each, see `ColumnLayout.paths`.
        delimiter: between the cells of a CSV row; "" for a workbook.

    Raises: InvalidInputError if it is no table or has invalid headers.
    """

    def __init__(self, source: Source, rule: HeaderRule, options: ReadOptions, seen: ColumnNotes) -> None:
        self._table = table = Table(
            source,
            rule,
            encoding=options.encoding,
            delimiter=options.delimiter,
            sheet=options.sheet,
            bounds=options.bounds,
        )
        self._corrections = options.corrections
        self.delimiter = table.delimiter
        try:
            self._converter = RowConverter.parse(table.headers, options, seen)
        except InvalidInputError as error:
            error.notes += table.notes
            raise
        self.headers = self._converter.layout.headers
        self.paths = self._converter.layout.paths

    @property
    def encoding(self) -> str:
        """As of the table."""
        return self._table.encoding

    @property
    def blank(self) -> int:
        """Blank rows skipped so far."""
        return self._table.blank

    @property
    def notes(self) -> tuple[Text, ...]:
        """Notes about the file and its headers, for people."""
        return (*self._table.notes, *self._converter.notes)

    def __iter__(self) -> Iterator[NewJob | list[InvalidJobError]]:
        converter = self._converter
        layout = converter.layout
        # The column of the credential may contain a secret by mistake, so it is not shown.
        secret = () if layout.credential is None else (layout.credential,)

        def shown(cells: Sequence[str]) -> str:
            return shorten(" | ".join(cell for column, cell in enumerate(cells) if column not in secret))

        rules = Rules(layout.identifiers, layout.bot_id, shown, converter.unfit, converter.no_tenant)
        corrections = self._corrections
        for read in self._table.rows(rules):
            if isinstance(read, InvalidJobError):
                if read.row not in corrections.left_out:
                    yield [read]
                continue
            record = corrections.apply(read, layout.headers) if corrections else read
            if record is None:
                continue
            wrong = self._table.wrong_kinds(record, layout.paths, secret) if record.kinds is not None else []
            job = converter.job(record.cells, record.number, refused=bool(wrong))
            if wrong:
                named = {problem.field for problem in wrong}
                others = [] if isinstance(job, NewJob) else job
                job = wrong + [problem for problem in others if problem.field not in named]
            yield job
