"""Where the columns of a table stand, found once from its headers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from producers.files.fields import FIELDS, Kind


class Leaf(NamedTuple):
    """One column that holds a member's value; `odd` if that is never passed on as plain text."""

    name: str
    column: int
    kind: Kind | None
    odd: bool

    @classmethod
    def of(cls, path: str, column: int) -> Leaf:
        kind = FIELDS.get(path)
        return cls(path.rpartition(".")[2], column, kind, kind in (Kind.FLAG, Kind.LIST))


class Node:
    """An object of the body: its leaves, the objects in it, and the column of its own JSON if it has one."""

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
    """The tree of these paths; a path with members below it is an object with a cell of its own."""
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
class Layout:
    """
    The place of each thing that a row may hold, as a column from 0; None for what the table has no column of.

    Attributes:
        headers: as they stand in the file.
        paths: what each header means: a dotted path or special column; "" for a column that is passed over.
        body: the columns of the body's members but for the bot id, as a tree.
        sent: the columns whose cells go to the API.
        texts: the columns that hold words: no other rule finds that a character was lost there.
        nameless: the columns without a header.
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
    def of(cls, headers: Sequence[str], paths: Sequence[str]) -> Layout:
        """The layout of a table with these headers, which mean these paths."""
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
        """The columns that no row may lack a cell for."""
        return tuple(column for column in (self.key, self.credential, self.bot_id) if column is not None)


def _is_text(path: str) -> bool:
    return bool(path) and path not in ("key", "credential", "bot.id") and FIELDS.get(path) is not Kind.LIST
