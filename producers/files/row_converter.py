"""
Converts each row of a table into a job, or into its problems. The headers are read once.

No I/O: the cells of a row go in, a `NewJob` or all problems of the row come out. `cells` has the inverse.

Speed is documented (docs/explanation/scale.md), so a row is first checked by a few cheap tests that nearly
every row passes (`str.isprintable` over the whole row, the first character of a cell). The exact rules run
only for a cell that fails one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from producers.files.body import (
    NO_BOT,
    check_body,
    check_bot_id,
    check_credential,
    check_key,
    check_label,
    is_rounded,
    make_job,
)
from producers.files.cells import unescape, unguard
from producers.files.column_layout import ColumnLayout
from producers.files.column_notes import ColumnNotes
from producers.files.csv_file import RawRow
from producers.files.headers import refuse_repeated, understand
from producers.files.no_tenant import COMMENT, NoTenant
from producers.files.read_options import PLAIN, ReadOptions
from producers.files.rows import Row
from provisioning.errors import InvalidJobError
from provisioning.job import NewJob
from provisioning.text import AnyText, Text


class RowConverter:
    """
    Converts the rows of one table: `parse` reads the headers, `job` converts a row.

    Attributes:
        layout: the column of each field.
        notes: notes about the headers, for people.
        seen: collects notes about the rows.
    """

    def __init__(
        self,
        layout: ColumnLayout,
        notes: tuple[Text, ...],
        options: ReadOptions,
        seen: ColumnNotes | None = None,
    ) -> None:
        self.layout = layout
        self.notes = notes
        self._options = options
        self.seen = seen or ColumnNotes(options.as_is)
        self._no_tenant = NoTenant(layout.headers, layout.paths, options.as_is)
        self._default_bot: Mapping[str, Any] = options.defaults.get("bot", {})
        self._defaults = {name: members for name, members in options.defaults.items() if name != "bot"}
        self._identifiers = frozenset(layout.headers[column] for column in layout.identifiers)

    @classmethod
    def parse(
        cls, headers: Sequence[str], options: ReadOptions = PLAIN, seen: ColumnNotes | None = None
    ) -> RowConverter:
        """
        A converter for a table with these headers.

        Args:
            headers: the header row of the file.
            seen: collects notes about the rows; a new one if None.

        Raises: InvalidInputError that names every invalid header and how to correct it.
        """
        bare = tuple(unescape(header).strip() for header in headers)
        bots = not options.new_bots and "id" not in options.defaults.get("bot", {})
        paths, notes = understand(bare, options.maps, bots=bots)
        refuse_repeated(bare, paths)
        return cls(ColumnLayout.of(bare, paths), notes, options, seen)

    def no_tenant(self, record: RawRow) -> InvalidJobError | None:
        """Why a row that may lack cells is no tenant: a total, or repeated headers; None if neither."""
        cells = self._filled(record)
        why = self._no_tenant.why(cells, record.number)
        if why is None or why[1] is COMMENT:
            return None
        run = self._run(cells, record.number)
        run.problem(*why)
        return run.problems[0]

    def unfit(self, record: RawRow) -> InvalidJobError | None:
        """Why a row that may lack cells is no job: a comment, or invalid identifiers; None if neither."""
        job = self.job(self._filled(record), record.number, refused=True)
        for problem in [] if isinstance(job, NewJob) else job:
            if problem.text is COMMENT or problem.field in self._identifiers:
                return problem
        return None

    def _filled(self, record: RawRow) -> list[str]:
        return [*record.cells, *[""] * (len(self.layout.headers) - len(record.cells))]

    def _run(self, cells: Sequence[str], row: int) -> Row:
        return Row(cells, row, self.layout, self._options)

    def job(self, cells: Sequence[str], row: int, *, refused: bool = False) -> NewJob | list[InvalidJobError]:
        """
        The job of one row, or all its problems.

        Args:
            cells: the row's cells, as many as there are headers.
            row: its number, as a spreadsheet counts.
            refused: the row is refused in any case, so no notes about it are collected.
        """
        layout, options = self.layout, self._options
        run = self._run(cells, row)
        if why := self._no_tenant.why(cells, row):
            run.problem(*why)
            return run.problems
        # Two tests of the whole row instead of each cell; a no-break space fails the first one too.
        text = "".join(cells)
        if not text.isprintable():
            run.look_for_bad_characters()
        if "\ufffd" in text:
            run.look_for_lost_characters(layout.texts)
        for column in layout.nameless:
            if cells[column] and not cells[column].isspace():
                run.problem(
                    column,
                    Text("this column has a value but no header"),
                    Text("give the column a header, or clear it"),
                )

        body: dict[str, Any] = {"bot": self._bot(run)}
        body.update(run.build(layout.body, self._defaults) or {})
        body.setdefault("widget", {})
        key = self._name(run, layout.key, None, partial(check_key, as_is="key" in options.as_is))
        credential = self._name(run, layout.credential, options.credential, check_credential)
        label = ""
        if layout.label is not None and (label := unguard(unescape(cells[layout.label]))):
            if wrong := check_label(label):
                run.problem(layout.label, *wrong)
            elif len(label) >= 5 and label[-1].isdigit() and is_rounded(label):
                run.note_rounded(layout.label, label)

        if run.met_json:
            # A JSON cell may contain anything, so the finished body is checked as in the HTTP API.
            named = {problem.field for problem in run.problems}
            judged = check_body(body, new_bots=options.new_bots, row=row, as_is=options.as_is)
            run.problems += [problem for problem in judged if problem.field not in named | {"bot.id"}]
        if run.problems:
            place = {header: column for column, header in enumerate(layout.headers)}
            return sorted(run.problems, key=lambda problem: place.get(problem.field, len(place)))
        job = make_job(body, key=key, credential=credential or options.credential, row=row, label=label)
        if not isinstance(job, NewJob):
            return [job]
        if not refused:
            self._note(run, body["bot"].get("id"), key)
            if "?" in text or not text.isascii():
                self._note_spoiled(run)
        return job

    def _note(self, run: Row, bot_id: str | None, key: str | None) -> None:
        """Collects notes about unusual values of a row that is a job."""
        seen, row = self.seen, run.row
        if bot_id:
            seen.bot_ids.see(bot_id, row)
        if key is not None:
            seen.keys.see(key, row)
            if self._no_tenant.is_odd_key(key):
                seen.odd_key(key, row)
        if any(run.cells[column].strip() for column in self.layout.sent):
            seen.some_own = True
        else:
            # Without the credential: the cell may contain a secret by mistake.
            names = [
                run.cells[column] for column in (self.layout.key, self.layout.label) if column is not None
            ]
            seen.nothing_own(next(filter(str.strip, names), ""), row)
        if (hashed := self._no_tenant.hash(run.cells)) is not None:
            seen.hash(self.layout.headers[hashed], run.cells[hashed], row)
        for column, text in run.rounded or ():
            seen.rounded(self.layout.headers[column], text, row)

    def _note_spoiled(self, run: Row) -> None:
        for column, cell in enumerate(run.cells):
            # The column of the credential may contain a secret by mistake.
            if self.layout.paths[column] not in ("", "credential"):
                self.seen.text(self.layout.headers[column], cell, run.row)

    def _bot(self, run: Row) -> dict[str, Any]:
        column = self.layout.bot_id
        text = "" if column is None else unescape(run.cells[column]).strip()
        if not text:
            if "id" in self._default_bot:
                return dict(self._default_bot)
            if not self._options.new_bots:
                run.problem(column, *NO_BOT)
            return {}
        # The form of nearly all ids is tested before the exact rules: longer numbers may be rounded, and a
        # leading zero needs a closer look.
        plain = len(text) <= 16 and text.isdigit() and text.isascii() and text[0] != "0"
        if not plain and (wrong := check_bot_id(text, as_is="bot.id" in self._options.as_is)):
            run.problem(column, *wrong)
        return {"id": text}

    @staticmethod
    def _name(
        run: Row,
        column: int | None,
        default: str | None,
        check: Callable[[str], tuple[AnyText, AnyText] | None],
    ) -> str | None:
        if column is None:
            return default
        text = unescape(run.cells[column]).strip()
        if not text and default is not None:
            return default
        if wrong := check(text):
            run.problem(column, *wrong)
        return text
