"""
A table's columns, understood once from its headers and then run over every row.

Pure: cells in, `NewJob` or all problems of the row out. `cells` holds the inverse.

Speed is a promise here (docs/explanation/intake.md), so a row is judged by a few cheap tests that nearly
every row passes (`str.isprintable` over the whole row, the first character of a cell), and the exact rules
run only for a cell that fails one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from producers.body import (
    NO_BOT,
    check_body,
    check_bot_id,
    check_credential,
    check_key,
    check_label,
    make_job,
)
from producers.cells import unescape, unguard
from producers.defaults import check_as_is, check_defaults
from producers.headers import refuse_repeated, understand
from producers.rows import Row, plan_of
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.job import NewJob

_EMPTY: Mapping[str, Any] = MappingProxyType({})


class Columns:
    """
    The plan of a file's columns; made by `parse`, run by `job`.

    Attributes:
        headers: as they stand in the file.
        paths: what each header means: a dotted path or special column; "" for a column that is passed over.
        notes: what a person should know and nothing needs to stop for.
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
    ) -> None:
        self.headers = headers
        self.paths = paths
        self.notes = notes
        self._width = len(headers)
        self._as_is = as_is
        self._names = frozenset(name.casefold() for name in (*headers, *paths) if name)
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

        Raises: InvalidInputError, naming every header that is wrong and the way out.
        """
        if not separator:
            raise InvalidInputError("the separator of lists is empty")
        check_as_is(as_is)
        check_defaults(defaults, as_is)
        bare = tuple(unescape(header).strip() for header in headers)
        paths, notes = understand(bare, maps)
        refuse_repeated(bare, paths)
        has_bot = "bot.id" in paths or "id" in defaults.get("bot", {})
        if not has_bot and not new_bots:
            raise InvalidInputError(
                "there is no column bot.id",
                hint="name the column bot.id, map another onto it (--map COLUMN=bot.id), or, "
                "if every row shall make a new bot, say so with --new-bots",
            )
        return cls(
            bare,
            paths,
            notes,
            defaults=defaults,
            credential=credential,
            new_bots=new_bots,
            separator=separator,
            as_is=as_is,
        )

    @property
    def bot_id_column(self) -> int | None:
        """Where the bot's id stands in a row; None if there is no such column."""
        return self._bot_id

    def job(self, cells: Sequence[str], row: int) -> NewJob | list[InvalidJobError]:
        """
        The job of one row, or all that is wrong with it.

        Args:
            cells: the row's cells, as many as there are headers.
            row: its number, as a spreadsheet counts.
        """
        run = Row(
            cells,
            row,
            self.headers,
            separator=self.separator,
            secret=self._credential_column,
            as_is=self._as_is,
        )
        # One test over the whole row, not one per cell; a no-break space fails it too, hence the second look.
        if not "".join(cells).isprintable():
            run.look_for_bad_characters()
        for column in self._nameless:
            if cells[column] and not cells[column].isspace():
                run.problem(column, "this column has a value but no header", "name the column, or clear it")

        body: dict[str, Any] = {"bot": self._bot(run)}
        body.update(run.build(self._plan, self._defaults) or {})
        body.setdefault("widget", {})
        key = self._name(run, self._key, None, partial(check_key, as_is="key" in self._as_is))
        credential = self._name(run, self._credential_column, self._credential, check_credential)
        label = ""
        if (
            self._label is not None
            and (label := unguard(unescape(cells[self._label])))
            and (wrong := check_label(label))
        ):
            run.problem(self._label, *wrong)

        if run.met_json:
            # JSON cells may hold anything, so the finished body is judged as the HTTP door would judge it.
            named = {problem.field for problem in run.problems}
            judged = check_body(body, new_bots=self._new_bots, row=row, as_is=self._as_is)
            run.problems += [problem for problem in judged if problem.field not in named | {"bot.id"}]
        if run.problems:
            place = {header: column for column, header in enumerate(self.headers)}
            return sorted(run.problems, key=lambda problem: place.get(problem.field, self._width))
        job = make_job(body, key=key, credential=credential or self._credential, row=row, label=label)
        return job if isinstance(job, NewJob) else [job]

    def _bot(self, run: Row) -> dict[str, Any]:
        column = self._bot_id
        text = "" if column is None else unescape(run.cells[column]).strip()
        if not text:
            if "id" in self._default_bot:
                return dict(self._default_bot)
            if not self._new_bots:
                run.problem(column, *NO_BOT)
            return {}
        if text.casefold() in self._names and "bot.id" not in self._as_is:
            run.problem(column, "this repeats a header: the row is no tenant", "remove the row")
            return {"id": text}
        # What nearly all ids look like, tested before the exact rules; words for nothing are shorter.
        plain = text.removeprefix("+")
        if not (plain.isascii() and plain.isalnum() and 9 < len(plain) <= 32) and (
            wrong := check_bot_id(text, as_is="bot.id" in self._as_is)
        ):
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
