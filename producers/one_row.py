"""
One row of a file as it will be sent, judged as `plan` judges it.

No clock, no ledger: `Queries.verdicts` says what the ledger knows of the job.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import BinaryIO

from producers.files.file_kinds import Format
from producers.files.read_options import PLAIN, ReadOptions
from producers.files.reading import Reading
from producers.plan import checked
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.job import NewJob
from provisioning.text import Text


def row_of(
    where: str | Path | BinaryIO,
    number: int,
    options: ReadOptions = PLAIN,
    *,
    known_credentials: frozenset[str] | None = None,
    stop: Event | None = None,
) -> NewJob | list[InvalidJobError]:
    """
    The job of one row, or all that is wrong with it, also beside the rows above it: a key may be repeated.

    The rows above are read and judged, no row below is; of the rows, only some hundred are in memory.

    Args:
        number: of the row as a spreadsheet counts (the header is row 1); of JSON Lines, of the line.
        known_credentials: names that may be used; None where only the workers know.
        stop: as of a `Reading`.

    Raises: InvalidInputError if there is no such row, or the file cannot be read as far as it.
    """
    with Reading(where, options, stop) as reading:
        found = _Found(reading, number, left_out=number in options.corrections.left_out)
        for job in checked(found.rows(), found.complain, known_credentials):
            if job.row == number:
                return job
        return found.problems or found.refuse()


@dataclass(slots=True)
class _Found:
    """
    What was met on the way to a row.

    Attributes:
        left_out: whether a person has left the wanted row out.
        first, above, below: numbers of rows that hold something: the first, and those beside the wanted row.
    """

    reading: Reading
    number: int
    left_out: bool
    problems: list[InvalidJobError] = field(default_factory=list)
    first: int | None = None
    above: int | None = None
    below: int | None = None

    def rows(self) -> Iterator[NewJob | InvalidJobError]:
        """The rows up to the wanted one."""
        # A workbook may have its rows in any order.
        in_order = self.reading.format is not Format.XLSX
        for row in self.reading.by_row():
            items = [row] if isinstance(row, NewJob) else row
            at = items[0].row or 0
            self.first = min(self.first or at, at)
            if at > self.number:
                self.below = min(self.below or at, at)
                if in_order:
                    return
            elif at < self.number:
                self.above = max(self.above or at, at)
            yield from items
            if at == self.number:
                return

    def complain(self, problem: InvalidJobError) -> None:
        if problem.row == self.number:
            self.problems.append(problem)

    def refuse(self) -> list[InvalidJobError]:
        """Raises: InvalidInputError that says what is there instead of the row."""
        where = {"number": self.number, "name": self.reading.name}
        if self.left_out:
            raise InvalidInputError(
                Text("row {number} of {name} is left out", **where), hint="take it in again to see it"
            )
        if self.below is None:
            raise InvalidInputError(
                Text("{name} has no row {number}", **where),
                hint=Text("its last row is row {last}", last=self.above),
            )
        if self.above is None:
            raise InvalidInputError(
                Text("row {number} of {name} holds no tenant: it lies above the first one", **where),
                hint=Text("the first one is in row {first}, counted as a spreadsheet does", first=self.first),
            )
        raise InvalidInputError(
            Text("row {number} of {name} is blank", **where),
            hint=Text("the next one that is not is row {next}", next=self.below),
        )
