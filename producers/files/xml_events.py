"""
XML parts of a workbook as events of expat, or as elements a few at a time: from strangers, in bounded memory.

Entities and document types are refused: no spreadsheet writes them, and they can grow to gigabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import IO
from xml.etree.ElementTree import Element, TreeBuilder, XMLParser
from xml.parsers import expat

from provisioning.errors import InvalidInputError
from provisioning.text import Text

CHUNK_BYTES = 64 * 1024

MAX_ELEMENT_BYTES = 8 * 1024**2
"""Of one row or text, unpacked: what it holds takes up to some 20 times that in memory."""

MAX_DEPTH = 64
"""Elements within each other: some 20 in what spreadsheets write."""

_DEPTH = 16
"""Below this, what nobody asked for is not looked through for what is complete."""

Start = Callable[[str, dict[str, str]], None]


def read_all(stream: IO[bytes], start: Start) -> None:
    """
    Calls `start` with the name and the attributes of every element of a part of which no text matters.

    Raises: ExpatError if it is not XML, InvalidInputError if it declares a document type, and whatever the
        stream raises.
    """
    parser = _strict_parser()
    parser.StartElementHandler = start
    parser.ParseFile(stream)


def elements(stream: IO[bytes], parents: Container[str]) -> Iterator[list[Element]]:
    """
    The elements directly below those with these names, as they are complete, and then forgotten.

    Built by the parser alone, which takes a third of the time that calls for every tag take.

    Args:
        parents: local names of the root or of elements directly below it.

    Raises: ParseError or ExpatError if it is not XML, InvalidInputError if it declares a document type, holds
        an element of more than `MAX_ELEMENT_BYTES` or more than `MAX_DEPTH` of them within each other, and
        whatever the stream raises.
    """
    builder = TreeBuilder()
    above: Element = builder.start("above", {})  # whatever the parser builds becomes its child
    parser = XMLParser(target=builder)  # noqa: S314 - see _Prologue
    prologue = _Prologue()
    waiting = 0
    while chunk := stream.read(CHUNK_BYTES):
        prologue.check(chunk)
        parser.feed(chunk)
        found: list[Element] = []
        waiting = 0 if _take(above, parents, found, at_end=False) else waiting + len(chunk)
        if waiting > MAX_ELEMENT_BYTES:
            raise InvalidInputError(
                Text(
                    "one of its rows or texts has more than {max_element_bytes} MiB",
                    max_element_bytes=MAX_ELEMENT_BYTES >> 20,
                ),
                hint="was a picture or a document pasted into a cell? export CSV UTF-8",
            )
        if _is_too_deep(above):
            raise InvalidInputError(
                Text(
                    (
                        "it holds more than {max_depth} elements within each other, which no "
                        "spreadsheet writes"
                    ),
                    max_depth=MAX_DEPTH,
                ),
                hint="open it in Excel and save it as .xlsx, or export CSV UTF-8",
            )
        yield found
    parser.close()
    found = []
    _take(above, parents, found, at_end=True)
    yield found


def _take(
    node: Element, parents: Container[str], found: list[Element], *, at_end: bool, depth: int = 0
) -> bool:
    """
    Takes what is complete out of the tree, and keeps the children of `parents`.

    Args:
        at_end: whether all below the node is complete; else the parser may still add to the last of each.

    Returns: whether there was anything.
    """
    count = len(node) if at_end else len(node) - 1
    moved = count > 0
    if 0 < depth <= 2 and local(node.tag) in parents:
        found += node[: max(0, count)]
    else:
        below = list(node) if depth < 2 else node[-1:] if depth < _DEPTH else []
        for place, child in enumerate(below, len(node) - len(below)):
            moved |= _take(child, parents, found, at_end=at_end or place < count, depth=depth + 1)
    if count > 0:
        del node[:count]
    return moved


def _is_too_deep(node: Element) -> bool:
    """Whether the elements under way, each the last of the one above, are more than `MAX_DEPTH`."""
    for _ in range(MAX_DEPTH + 1):
        if not len(node):
            return False
        node = node[-1]
    return True


class _Prologue:
    """Refuses a document type, which can only stand before the root."""

    def __init__(self) -> None:
        self._parser: expat.XMLParserType | None = _strict_parser()
        self._parser.StartElementHandler = self._end

    def check(self, chunk: bytes) -> None:
        if self._parser is not None:
            self._parser.Parse(chunk, False)

    def _end(self, *_: object) -> None:
        self._parser = None


def local(tag: str) -> str:
    """A name without its prefix or namespace."""
    return tag.rpartition("}" if "}" in tag else ":")[2]


class LocalNames(dict[str, str]):
    """Names without their namespace, by the whole; each is made once."""

    def __missing__(self, tag: str) -> str:
        name = self[tag] = local(tag)
        return name


def _strict_parser() -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    return parser


def _refuse(*_: object) -> None:
    raise InvalidInputError(
        "it declares a document type or XML entities, which no spreadsheet writes",
        hint="open it in Excel and save it as .xlsx, or export CSV UTF-8",
    )
