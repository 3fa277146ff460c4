"""
A row becomes a job: headers compiled once into a plan, the plan run over every row.

Pure: cells in, `NewJob` or all problems of the row out. `cells` holds the inverse.

Speed is a promise here (docs: tens of thousands of rows a second and core), so a row is judged by a few cheap
tests that nearly every row passes (`str.isprintable` over the whole row, the first character of a cell), and
the exact rules run only for a cell that fails one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from producers.body import (
    NO_BOT,
    bad_character,
    check_body,
    check_bot_id,
    check_credential,
    check_key,
    check_label,
    is_error_value,
    make_job,
    shorten,
)
from producers.cells import split_list, unescape
from producers.fields import FIELDS, Kind
from producers.headers import refuse_repeated, understand
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.job import NewJob

_EMPTY: Mapping[str, Any] = MappingProxyType({})

TRUE_WORDS = frozenset(["true", "yes", "y", "1", "on", "si", "sí", "s", "verdadero", "cierto", "sim"])
FALSE_WORDS = frozenset(["false", "no", "n", "0", "off", "falso", "não", "nao"])

_decode = msgspec.json.Decoder().decode

# A cell that starts with none of these is plain text: nothing to unescape, no JSON, no error value, no blank.
_ODD_START = frozenset("'{[#") | frozenset(char for char in map(chr, range(0x3001)) if char.isspace())


class _Leaf:
    """One column that holds a member's value."""

    __slots__ = ("column", "kind", "name", "odd")

    def __init__(self, path: str, column: int) -> None:
        self.name = path.rpartition(".")[2]
        self.column = column
        self.kind = FIELDS.get(path)
        self.odd = self.kind in (Kind.FLAG, Kind.LIST)  # never passed on as plain text


class _Node:
    """An object of the body: its leaves, the objects in it, and the column of its own JSON if it has one."""

    __slots__ = ("children", "column", "kind", "leaves", "name", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = path.rpartition(".")[2]
        self.kind = FIELDS.get(path)
        self.column: int | None = None
        self.leaves: list[_Leaf] = []
        self.children: list[_Node] = []

    def child(self, name: str) -> _Node:
        for node in self.children:
            if node.name == name:
                return node
        node = _Node(f"{self.path}.{name}" if self.path else name)
        self.children.append(node)
        return node


def _plan(columns: Mapping[str, int]) -> _Node:
    """The tree of these paths; a path with members below it is an object with a cell of its own."""
    root = _Node("")
    for path in sorted(columns, key=lambda path: path.count(".")):
        *above, name = path.split(".")
        node = root
        for step in above:
            node = node.child(step)
        below = path + "."
        if FIELDS.get(path) is Kind.OBJECT or any(other.startswith(below) for other in columns):
            node.child(name).column = columns[path]
        else:
            node.leaves.append(_Leaf(path, columns[path]))
    return root


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
    ) -> None:
        self.headers = headers
        self.paths = paths
        self.notes = notes
        self._width = len(headers)
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
        self._plan = _plan(at)

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

        Raises: InvalidInputError, naming every header that is wrong and the way out.
        """
        if not separator:
            raise InvalidInputError("the separator of lists is empty")
        check_defaults(defaults)
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
        if len(cells) != self._width:
            return [self._ragged(cells, row)]
        run = _Run(cells, row, self)
        # One test over the whole row, not one per cell; a no-break space fails it too, hence the second look.
        if not "".join(cells).isprintable():
            run.look_for_bad_characters()
        for column in self._nameless:
            if cells[column] and not cells[column].isspace():
                run.problem(column, "this column has a value but no header", "name the column, or clear it")

        body: dict[str, Any] = {"bot": self._bot(run)}
        body.update(run.build(self._plan, self._defaults) or {})
        body.setdefault("widget", {})
        key = self._name(run, self._key, None, check_key)
        credential = self._name(run, self._credential_column, self._credential, check_credential)
        label = ""
        if (
            self._label is not None
            and (label := unescape(cells[self._label]))
            and (wrong := check_label(label))
        ):
            run.problem(self._label, *wrong)

        if run.met_json:
            # JSON cells may hold anything, so the finished body is judged as the HTTP door would judge it.
            named = {problem.field for problem in run.problems}
            judged = check_body(body, new_bots=self._new_bots, row=row)
            run.problems += [problem for problem in judged if problem.field not in named | {"bot.id"}]
        if run.problems:
            place = {header: column for column, header in enumerate(self.headers)}
            return sorted(run.problems, key=lambda problem: place.get(problem.field, self._width))
        job = make_job(body, key=key, credential=credential or self._credential, row=row, label=label)
        return job if isinstance(job, NewJob) else [job]

    def _bot(self, run: _Run) -> dict[str, Any]:
        column = self._bot_id
        text = "" if column is None else unescape(run.cells[column]).strip()
        if not text:
            if "id" in self._default_bot:
                return dict(self._default_bot)
            if not self._new_bots:
                run.problem(column, *NO_BOT)
            return {}
        # What all sound ids look like, tested before the exact rules: most are digits, some have a plus.
        if not (text.isascii() and text.isalnum() and len(text) <= 32) and (wrong := check_bot_id(text)):
            run.problem(column, *wrong)
        return {"id": text}

    @staticmethod
    def _name(
        run: _Run, column: int | None, default: str | None, check: Callable[[str], tuple[str, str] | None]
    ) -> str | None:
        if column is None:
            return default
        text = unescape(run.cells[column]).strip()
        if not text and default is not None:
            return default
        if wrong := check(text):
            run.problem(column, *wrong)
        return text

    def _ragged(self, cells: Sequence[str], row: int) -> InvalidJobError:
        more = "more" if len(cells) > self._width else "fewer"
        # A secret in the wrong column is not repeated.
        shown = [cell for column, cell in enumerate(cells) if column != self._credential_column]
        return InvalidJobError(
            f"the row has {len(cells)} cells, {more} than the {self._width} headers",
            row=row,
            value=shorten(" | ".join(shown)),
            hint="a cell that holds the delimiter or a line break must stand in double quotes",
        )


class _Run:
    """One row under way: its cells, and the problems met so far."""

    __slots__ = ("cells", "columns", "met_json", "problems", "row")

    def __init__(self, cells: Sequence[str], row: int, columns: Columns) -> None:
        self.cells = cells
        self.row = row
        self.columns = columns
        self.problems: list[InvalidJobError] = []
        self.met_json = False

    def problem(self, column: int | None, message: str, hint: str = "") -> None:
        header = "bot.id" if column is None else self.columns.headers[column]
        if any(known.field == header for known in self.problems):
            return  # the first thing wrong with a cell is enough; the next usually follows from it
        value = "" if column is None else shorten(self.cells[column])
        # A credential that is refused may be a secret in the wrong place: its text is not repeated.
        if column is not None and self.columns.paths[column] == "credential":
            value = "(not shown)"
        self.problems.append(InvalidJobError(message, row=self.row, field=header, value=value, hint=hint))

    def look_for_bad_characters(self) -> None:
        for column, text in enumerate(self.cells):
            if wrong := bad_character(text):
                encoding = "is not valid in" in wrong
                hint = "say which encoding it is: --encoding windows-1252" if encoding else "remove it"
                self.problem(column, f"the cell {wrong}", hint)

    def build(self, node: _Node, base: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """The object that this row makes of a node, laid over `base`; None if neither has any member."""
        members = dict(base) if base else {}
        found = base is not None
        cells = self.cells
        for leaf in node.leaves:
            text = cells[leaf.column]
            if text:
                if leaf.odd or text[0] in _ODD_START:
                    value = self.value(leaf.column, leaf.kind, text)
                    if value is None:
                        continue
                    if isinstance(value, dict):
                        value = lay_over(members.get(leaf.name), value)
                    members[leaf.name] = value
                else:
                    members[leaf.name] = text
                found = True
        for child in node.children:
            below = members.get(child.name)
            if not isinstance(below, dict):
                below = None
            given: Any = None
            if child.column is not None and (text := cells[child.column]):
                given = self.value(child.column, child.kind, text)
                if isinstance(given, dict):
                    below = lay_over(below, given)
                elif given is not None:
                    below = None  # text or a list, which no default below it can be part of
            value = self.build(child, below)
            if given is None or isinstance(given, dict):
                if value is not None:
                    members[child.name] = value
                    found = True
            elif value is None:
                members[child.name] = given
                found = True
            else:
                self.problem(
                    child.column,
                    f"this cell makes {child.path} one value while other columns fill members below it",
                    "clear one or the other",
                )
        return members if found else None

    def value(self, column: int, kind: Kind | None, text: str) -> Any:
        """What a cell that is not plain text stands for; None if it is blank, or wrong and noted."""
        if text.isspace():
            return None
        text = unescape(text)
        if is_error_value(text.strip()):
            self.problem(
                column, "the cell is a spreadsheet's error value", "mend the formula in the spreadsheet"
            )
            return None
        first = text[:1]
        if kind is Kind.LIST:
            if first == "[":
                return self.json(column, text)
            return split_list(text, self.columns.separator) or None
        if first in ("{", "["):
            return self.json(column, text)
        if kind is Kind.FLAG:
            word = text.strip().lower()
            if word in TRUE_WORDS or word in FALSE_WORDS:
                return word in TRUE_WORDS
            self.problem(column, "this is neither true nor false", "write true or false")
            return None
        if kind is Kind.OBJECT:
            self.problem(
                column,
                "this must be a JSON object",
                'write {"name": "value"}, or name a column for each member',
            )
            return None
        return text

    def json(self, column: int, text: str) -> Any:
        """The value of a JSON cell; None if it cannot be read, which is then noted."""
        self.met_json = True
        try:
            return _decode(text)
        except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as exc:
            reason = "it is nested too deep" if isinstance(exc, RecursionError) else str(exc)
            self.problem(
                column,
                f"the cell starts like JSON and cannot be read as JSON: {reason}",
                "plain text may not start with { or [; JSON needs double quotes around names and texts",
            )
            return None


def lay_over(base: Any, over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`: objects are merged member by member, anything else replaces what was there."""
    merged = dict(base) if isinstance(base, Mapping) else {}
    for name, value in over.items():
        merged[name] = lay_over(merged.get(name), value) if isinstance(value, Mapping) else value
    return merged


def check_defaults(defaults: Any) -> None:
    """
    Nothing happens if every row may be laid over this body.

    Raises: InvalidInputError, naming the first member that is wrong.
    """
    whole = {"bot": {}, "widget": {}, **defaults} if isinstance(defaults, Mapping) else defaults
    problems = check_body(whole, new_bots=True)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise InvalidInputError(
            f"the defaults are not a body: {problems[0].message}{more}", hint=problems[0].hint
        )
