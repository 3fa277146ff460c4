"""
A table's columns, understood once from its headers and then run over every row.

No I/O: cells in, row after row, `NewJob` or all problems of the row out. `cells` holds the inverse.

Speed is a promise here (docs/explanation/scale.md), so a row is judged by a few cheap tests that nearly
every row passes (`str.isprintable` over the whole row, the first character of a cell), and the exact rules
run only for a cell that fails one of them.
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
from producers.files.column_notes import ColumnNotes
from producers.files.csv_file import RawRow
from producers.files.headers import refuse_repeated, understand
from producers.files.layout import Layout
from producers.files.no_tenant import COMMENT, NoTenant
from producers.files.read_options import PLAIN, ReadOptions
from producers.files.rows import Row
from provisioning.errors import InvalidJobError
from provisioning.job import NewJob


class Columns:
    """
    The plan of a file's columns; made by `parse`, run by `job`.

    Attributes:
        layout: which header means what.
        notes: what a person should know of the headers and nothing needs to stop for.
        seen: takes note of what the rows hold.
    """

    def __init__(
        self, layout: Layout, notes: tuple[str, ...], options: ReadOptions, seen: ColumnNotes | None = None
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
    ) -> Columns:
        """
        The plan for these headers.

        Args:
            headers: the first row of the file.
            seen: takes note of what the rows hold; one of its own if None.

        Raises: InvalidInputError, naming every header that is wrong and the way out.
        """
        bare = tuple(unescape(header).strip() for header in headers)
        bots = not options.new_bots and "id" not in options.defaults.get("bot", {})
        paths, notes = understand(bare, options.maps, bots=bots)
        refuse_repeated(bare, paths)
        return cls(Layout.of(bare, paths), notes, options, seen)

    def no_tenant(self, record: RawRow) -> InvalidJobError | None:
        """What a row that may lack cells is by its own words: a total, headers; None if neither."""
        cells = self._filled(record)
        why = self._no_tenant.why(cells, record.number)
        if why is None or why[1] == COMMENT:
            return None
        run = self._run(cells, record.number)
        run.problem(*why)
        return run.problems[0]

    def unfit(self, record: RawRow) -> InvalidJobError | None:
        """Why a row that may lack cells is none: a comment, or its identifiers; None if it may be one."""
        job = self.job(self._filled(record), record.number, refused=True)
        for problem in [] if isinstance(job, NewJob) else job:
            if problem.message == COMMENT or problem.field in self._identifiers:
                return problem
        return None

    def _filled(self, record: RawRow) -> list[str]:
        return [*record.cells, *[""] * (len(self.layout.headers) - len(record.cells))]

    def _run(self, cells: Sequence[str], row: int) -> Row:
        return Row(cells, row, self.layout, self._options)

    def job(self, cells: Sequence[str], row: int, *, refused: bool = False) -> NewJob | list[InvalidJobError]:
        """
        The job of one row, or all that is wrong with it.

        Args:
            cells: the row's cells, as many as there are headers.
            row: its number, as a spreadsheet counts.
            refused: whether it will be no job whatever this finds: nothing of it is noted then.
        """
        layout, options = self.layout, self._options
        run = self._run(cells, row)
        if why := self._no_tenant.why(cells, row):
            run.problem(*why)
            return run.problems
        # Two tests over the whole row, not per cell; a no-break space fails the first, hence the second look.
        text = "".join(cells)
        if not text.isprintable():
            run.look_for_bad_characters()
        if "\ufffd" in text:
            run.look_for_lost_characters(layout.texts)
        for column in layout.nameless:
            if cells[column] and not cells[column].isspace():
                run.problem(
                    column, "this column has a value but no header", "give the column a header, or clear it"
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
            # JSON cells may hold anything, so the finished body is judged as the HTTP API judges it.
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
        """Takes note of what is odd in a row that is a job."""
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
            # Not of the credential: there may be a secret in its place.
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
            # Where the name of credentials should be there may be a secret.
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
        # What nearly all ids look like, tested before the exact rules; longer numbers may be rounded, and
        # a zero at the beginning may be all there is.
        plain = len(text) <= 16 and text.isdigit() and text.isascii() and text[0] != "0"
        if not plain and (wrong := check_bot_id(text, as_is="bot.id" in self._options.as_is)):
            run.problem(column, *wrong)
        return {"id": text}

    @staticmethod
    def _name(
        run: Row, column: int | None, default: str | None, check: Callable[[str], tuple[str, str] | None]
    ) -> str | None:
        if column is None:
            return default
        text = unescape(run.cells[column]).strip()
        if not text and default is not None:
            return default
        if wrong := check(text):
            run.problem(column, *wrong)
        return text
