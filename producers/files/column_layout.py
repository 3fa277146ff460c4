"""Which column has which field of a job, derived once from the headers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from producers.files.fields import FIELDS, Kind


class Leaf(NamedTuple):
    """One column with the value of a member; `odd` if the value is never plain text."""

    name: str
    column: int
    kind: Kind | None
    odd: bool

    @classmethod
    def of(cls, path: str, column: int) -> Leaf:
        kind = FIELDS.get(path)
        return cls(path.rpartition(".")[2], column, kind, kind in (Kind.FLAG, Kind.LIST))


class Node:
    """An object of the body: its leaves, the objects in it, and the column with its JSON if there is one."""

    __slots__ = ("children", "column", "kind", "leaves", "name", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = path.rpartition(".")[2]
        self.kind = FIELDS.get(path)
        self.column: int | None = None
        self.leaves: list[Leaf] = []
        self.children: list[Node] = []

    def child(self, name: str) -> Node:
        for node in self.children:
            if node.name == name:
                return node
        node = Node(f"{self.path}.{name}" if self.path else name)
        self.children.append(node)
        return node


def plan_of(columns: Mapping[str, int]) -> Node:
    """The tree of these paths. A path that other paths begin with is an object with its own JSON column."""
    root = Node("")
    for path in sorted(columns, key=lambda path: path.count(".")):
        *above, name = path.split(".")
        node = root
        for step in above:
            node = node.child(step)
        below = path + "."
        if FIELDS.get(path) is Kind.OBJECT or any(other.startswith(below) for other in columns):
            node.child(name).column = columns[path]
        else:
            node.leaves.append(Leaf.of(path, columns[path]))
    return root


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """
    The column of each field of a job, counted from 0; None if the table has no such column.

    Attributes:
        headers: as written in the file.
        paths: meaning of each header: a dotted path or special column; "" for an ignored column.
        body: the columns of the body's members except the bot id, as a tree.
        sent: columns whose cells are sent to the API.
        texts: columns of text, in which only this layout finds lost characters.
        nameless: columns without a header.
    """

    headers: tuple[str, ...]
    paths: tuple[str, ...]
    key: int | None
    credential: int | None
    label: int | None
    bot_id: int | None
    body: Node
    sent: tuple[int, ...]
    texts: tuple[int, ...]
    nameless: tuple[int, ...]

    @classmethod
    def of(cls, headers: Sequence[str], paths: Sequence[str]) -> ColumnLayout:
        """The layout for these headers and their paths."""
        columns = {path: column for column, path in enumerate(paths) if path}
        key, credential, label, bot_id = (
            columns.pop(path, None) for path in ("key", "credential", "label", "bot.id")
        )
        return cls(
            headers=tuple(headers),
            paths=tuple(paths),
            key=key,
            credential=credential,
            label=label,
            bot_id=bot_id,
            body=plan_of(columns),
            sent=tuple(column for column in (bot_id, *columns.values()) if column is not None),
            texts=tuple(column for column, path in enumerate(paths) if _is_text(path)),
            nameless=tuple(column for column, header in enumerate(headers) if not header),
        )

    @property
    def identifiers(self) -> tuple[int, ...]:
        """Columns in which every row must have a cell."""
        return tuple(column for column in (self.key, self.credential, self.bot_id) if column is not None)


def _is_text(path: str) -> bool:
    return bool(path) and path not in ("key", "credential", "bot.id") and FIELDS.get(path) is not Kind.LIST
