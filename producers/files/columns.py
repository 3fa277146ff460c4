"""
A table's columns, understood once from its headers and then run over every row.

No I/O: cells in, row after row, `NewJob` or all problems of the row out. `cells` holds the inverse.

Speed is a promise here (docs/explanation/scale.md), so a row is judged by a few cheap tests that nearly
every row passes (`str.isprintable` over the whole row, the first character of a cell), and the exact rules
run only for a cell that fails one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from types import MappingProxyType
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
from producers.files.defaults import check_as_is, check_defaults
from producers.files.fields import FIELDS, Kind
from producers.files.headers import refuse_repeated, understand
from producers.files.no_tenant import COMMENT, NoTenant
from producers.files.rows import Row, plan_of
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.job import NewJob

_EMPTY: Mapping[str, Any] = MappingProxyType({})


class Columns:
    """
    The plan of a file's columns; made by `parse`, run by `job`.

    Attributes:
        headers: as they stand in the file.
        paths: what each header means: a dotted path or special column; "" for a column that is passed over.
        notes: what a person should know of the headers and nothing needs to stop for.
        seen: takes note of what the rows hold.
        separator: what separates the items of a list in a cell.
    """

    def __init__(
        self,
        headers: tuple[str, ...],
        paths: tuple[str, ...],
        notes: tuple[str, ...],
        *,
        defaults: Mapping[str, Any],
        credential: str,
        new_bots: bool,
        separator: str,
        as_is: Collection[str] = (),
        seen: ColumnNotes | None = None,
    ) -> None:
        self.seen = seen or ColumnNotes(as_is)
        self.headers = headers
        self.paths = paths
        self.notes = notes
        self._width = len(headers)
        self._as_is = as_is
        self._no_tenant = NoTenant(headers, paths, as_is)
        self._texts = tuple(column for column, path in enumerate(paths) if _is_text(path))
        self.separator = separator
        self._credential = credential
        self._new_bots = new_bots
        self._default_bot: Mapping[str, Any] = defaults.get("bot", {})
        self._defaults = {name: members for name, members in defaults.items() if name != "bot"}
        at = {path: column for column, path in enumerate(paths) if path}
        self._key = at.pop("key", None)
        self._credential_column = at.pop("credential", None)
        self._label = at.pop("label", None)
        self._bot_id = at.pop("bot.id", None)
        own = (self._bot_id, *at.values())
        self._own = tuple(column for column in own if column is not None)
        named = (self._key, self._credential_column, self._bot_id)
        self._identifiers = frozenset(headers[column] for column in named if column is not None)
        self._nameless = tuple(column for column, header in enumerate(headers) if not header)
        self._plan = plan_of(at)

    @classmethod
    def parse(
        cls,
        headers: Sequence[str],
        *,
        maps: Mapping[str, str] = _EMPTY,
        separator: str = ";",
        defaults: Mapping[str, Any] = _EMPTY,
        credential: str = "default",
        new_bots: bool = False,
        as_is: Collection[str] = (),
        seen: ColumnNotes | None = None,
    ) -> Columns:
        """
        The plan for these headers.

        Args:
            headers: the first row of the file.
            maps: what a header of the file means (`bot_id` → `bot.id`); "" to pass a column over.
            separator: what separates the items of a list in a cell.
            defaults: body that every row is laid over.
            credential: name of the credentials of a row that names none.
            new_bots: whether a row without a bot id shall make a new bot.
            as_is: paths whose identifiers are meant as they stand, however odd.
            seen: takes note of what the rows hold; one of its own if None.

        Raises: InvalidInputError, naming every header that is wrong and the way out.
        """
        if not separator:
            raise InvalidInputError("the separator of lists is empty")
        check_as_is(as_is)
        check_defaults(defaults, as_is)
        bare = tuple(unescape(header).strip() for header in headers)
        bots = not new_bots and "id" not in defaults.get("bot", {})
        paths, notes = understand(bare, maps, bots=bots)
        refuse_repeated(bare, paths)
        return cls(
            bare,
            paths,
            notes,
            defaults=defaults,
            credential=credential,
            new_bots=new_bots,
            separator=separator,
            as_is=as_is,
            seen=seen,
        )

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
        return [*record.cells, *[""] * (self._width - len(record.cells))]

    def _run(self, cells: Sequence[str], row: int) -> Row:
        return Row(
            cells,
            row,
            self.headers,
            separator=self.separator,
            secret=self._credential_column,
            as_is=self._as_is,
        )

    def job(self, cells: Sequence[str], row: int, *, refused: bool = False) -> NewJob | list[InvalidJobError]:
        """
        The job of one row, or all that is wrong with it.

        Args:
            cells: the row's cells, as many as there are headers.
            row: its number, as a spreadsheet counts.
            refused: whether it will be no job whatever this finds: nothing of it is noted then.
        """
        run = self._run(cells, row)
        if why := self._no_tenant.why(cells, row):
            run.problem(*why)
            return run.problems
        # Two tests over the whole row, not per cell; a no-break space fails the first, hence the second look.
        text = "".join(cells)
        if not text.isprintable():
            run.look_for_bad_characters()
        if "\ufffd" in text:
            run.look_for_lost_characters(self._texts)
        for column in self._nameless:
            if cells[column] and not cells[column].isspace():
                run.problem(
                    column, "this column has a value but no header", "give the column a header, or clear it"
                )

        body: dict[str, Any] = {"bot": self._bot(run)}
        body.update(run.build(self._plan, self._defaults) or {})
        body.setdefault("widget", {})
        key = self._name(run, self._key, None, partial(check_key, as_is="key" in self._as_is))
        credential = self._name(run, self._credential_column, self._credential, check_credential)
        label = ""
        if self._label is not None and (label := unguard(unescape(cells[self._label]))):
            if wrong := check_label(label):
                run.problem(self._label, *wrong)
            elif len(label) >= 5 and label[-1].isdigit() and is_rounded(label):
                run.note_rounded(self._label, label)

        if run.met_json:
            # JSON cells may hold anything, so the finished body is judged as the HTTP door would judge it.
            named = {problem.field for problem in run.problems}
            judged = check_body(body, new_bots=self._new_bots, row=row, as_is=self._as_is)
            run.problems += [problem for problem in judged if problem.field not in named | {"bot.id"}]
        if run.problems:
            place = {header: column for column, header in enumerate(self.headers)}
            return sorted(run.problems, key=lambda problem: place.get(problem.field, self._width))
        job = make_job(body, key=key, credential=credential or self._credential, row=row, label=label)
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
        if any(run.cells[column].strip() for column in self._own):
            seen.some_own = True
        else:
            # Not of the credential: there may be a secret in its place.
            names = [run.cells[column] for column in (self._key, self._label) if column is not None]
            seen.nothing_own(next(filter(str.strip, names), ""), row)
        if (hashed := self._no_tenant.hash(run.cells)) is not None:
            seen.hash(self.headers[hashed], run.cells[hashed], row)
        for column, text in run.rounded or ():
            seen.rounded(self.headers[column], text, row)

    def _note_spoiled(self, run: Row) -> None:
        for column, cell in enumerate(run.cells):
            # Where the name of credentials should be there may be a secret.
            if self.paths[column] not in ("", "credential"):
                self.seen.text(self.headers[column], cell, run.row)

    def _bot(self, run: Row) -> dict[str, Any]:
        column = self._bot_id
        text = "" if column is None else unescape(run.cells[column]).strip()
        if not text:
            if "id" in self._default_bot:
                return dict(self._default_bot)
            if not self._new_bots:
                run.problem(column, *NO_BOT)
            return {}
        # What nearly all ids look like, tested before the exact rules; longer numbers may be rounded, and
        # a zero at the beginning may be all there is.
        plain = len(text) <= 16 and text.isdigit() and text.isascii() and text[0] != "0"
        if not plain and (wrong := check_bot_id(text, as_is="bot.id" in self._as_is)):
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


def _is_text(path: str) -> bool:
    """Whether a column holds words: of its cells no other rule says that a character was lost."""
    return bool(path) and path not in ("key", "credential", "bot.id") and FIELDS.get(path) is not Kind.LIST
