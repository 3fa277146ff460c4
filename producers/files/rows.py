"""
The conversion of one row: its cells become members of a body, and all its problems are collected.

Pure. `column_layout` has the position of each field; this module converts the cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from producers.files.body import bad_character, check_item, is_error_value, is_rounded, shorten
from producers.files.cells import split_list, unescape
from producers.files.column_layout import ColumnLayout, Node
from producers.files.defaults import lay_over
from producers.files.fields import Kind
from producers.files.identifiers import EXPORT_ANEW, LOST_CHARACTER
from producers.files.json_text import KEEP_ONE, GivenTwiceError, decode
from producers.files.mojibake import repaired
from producers.files.read_options import ReadOptions
from producers.files.truth_words import FALSE_WORDS, TRUE_WORDS
from provisioning.errors import InvalidJobError
from provisioning.text import AnyText, Text

# A cell that starts with none of these is plain text: not escaped, no JSON, no error value, no blank, no
# number.
_DIGITS = frozenset("0123456789")
_ODD_START = frozenset("'{[#+-") | _DIGITS | frozenset(c for c in map(chr, range(0x3001)) if c.isspace())

_PLAIN_FLAGS = {"true": True, "false": False}


class Row:
    """
    One row in conversion: its cells, and the problems found so far.

    Args:
        row: its number, as in a spreadsheet.
        layout: the position of each field; the text of the credential is never repeated in a problem.
        options: how the file is read.

    Attributes:
        problems: at most one per column.
        rounded: column and text of numbers that may have lost digits; None if there are none.
        met_json: whether a cell contained JSON; then the finished body is checked too.
    """

    __slots__ = ("cells", "layout", "met_json", "options", "problems", "rounded", "row")

    def __init__(self, cells: Sequence[str], row: int, layout: ColumnLayout, options: ReadOptions) -> None:
        self.cells = cells
        self.row = row
        self.layout = layout
        self.options = options
        self.rounded: list[tuple[int, str]] | None = None
        self.problems: list[InvalidJobError] = []
        self.met_json = False

    def problem(self, column: int | None, message: AnyText, hint: AnyText = "") -> None:
        header = "bot.id" if column is None else self.layout.headers[column]
        if any(known.field == header for known in self.problems):
            return  # only the first problem of a cell: others usually follow from it
        value = "" if column is None else shorten(self.cells[column])
        # An invalid credential may be a secret in the wrong column: its text is not shown.
        if column is not None and column == self.layout.credential:
            value = "(not shown)"
        self.problems.append(InvalidJobError(message, row=self.row, field=header, value=value, hint=hint))

    def note_rounded(self, column: int, text: str) -> None:
        self.rounded = [*(self.rounded or ()), (column, text)]

    def look_for_bad_characters(self) -> None:
        for column, text in enumerate(self.cells):
            if wrong := bad_character(text):
                if "is not valid in" in str(wrong):
                    hint = Text("enter the character again and save the file as UTF-8")
                elif repaired(text):
                    hint = EXPORT_ANEW
                else:
                    hint = Text("remove it")
                self.problem(column, Text("the cell {wrong}", wrong=wrong), hint)

    def look_for_lost_characters(self, columns: Sequence[int]) -> None:
        """In columns of text; the checks of identifiers include this."""
        for column in columns:
            if "\ufffd" in self.cells[column]:
                self.problem(
                    column, Text("the cell {lost_character}", lost_character=LOST_CHARACTER), EXPORT_ANEW
                )

    def build(self, node: Node, base: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """The object of a node from this row, merged over `base`; None if neither has a member."""
        members = dict(base) if base else {}
        found = base is not None
        cells = self.cells
        for name, column, kind, odd in node.leaves:
            if text := cells[column]:
                # A colour such as #00677F is not an error value: these contain other signs too. A number as
                # short as 50% has not lost digits.
                if odd or (
                    (first := text[0]) in _ODD_START
                    and not (text[1:].isalnum() if first == "#" else first in _DIGITS and len(text) < 5)
                ):
                    value = self.value(column, kind, text, f"{node.path}.{name}")
                    if value is None:
                        continue
                    if isinstance(value, dict):
                        value = lay_over(members.get(name), value)
                    members[name] = value
                else:
                    members[name] = text
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
                    below = None  # text or a list: defaults for members below it do not apply
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
                    Text(
                        "this cell makes {path} one value while other columns fill members below it",
                        path=child.path,
                    ),
                    Text("clear one or the other"),
                )
        return members if found else None

    def value(self, column: int, kind: Kind | None, text: str, path: str = "") -> Any:
        """The value of a cell that is not plain text; None if it is blank, or if it has a problem."""
        if kind is Kind.FLAG and text in _PLAIN_FLAGS:
            return _PLAIN_FLAGS[text]
        if text.isspace():
            return None
        text = unescape(text)
        if is_error_value(text.strip()):
            self.problem(
                column,
                Text("the cell is a spreadsheet's error value"),
                Text("mend the formula in the spreadsheet"),
            )
            return None
        first = text[:1]
        if kind is Kind.LIST:
            if first == "[":
                return self.json(column, text)
            return self.items(column, path, text)
        if first in ("{", "["):
            return self.json(column, text)
        if kind is Kind.FLAG:
            word = text.strip().lower()
            if word in TRUE_WORDS or word in FALSE_WORDS:
                return word in TRUE_WORDS
            self.problem(column, Text("this is neither true nor false"), Text("write true or false"))
            return None
        if kind is Kind.OBJECT:
            self.problem(
                column,
                Text("this must be a JSON object"),
                Text('write {"name": "value"}, or name a column for each member'),
            )
            return None
        if is_rounded(text):
            self.note_rounded(column, text)
        return text

    def items(self, column: int, path: str, text: str) -> list[str] | None:
        """The items of a cell with a list; None if there are none."""
        items = split_list(text, self.options.separator)
        for item in items:
            if wrong := check_item(item, path, as_is=path in self.options.as_is):
                self.problem(column, *wrong)
                break
        return items or None

    def json(self, column: int, text: str) -> Any:
        """The value of a cell with JSON; None if it has a problem."""
        self.met_json = True
        try:
            return decode(text)
        except GivenTwiceError as exc:
            self.problem(column, str(exc), KEEP_ONE)
            return None
        except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as exc:
            reason = Text("nested too deeply") if isinstance(exc, RecursionError) else str(exc)
            self.problem(
                column,
                Text("the cell starts like JSON and cannot be read as JSON: {reason}", reason=reason),
                Text("plain text may not start with { or [; JSON needs double quotes around names and texts"),
            )
            return None
