"""
XML parts of a workbook as events of expat: names without their prefix, in constant memory, from strangers.

Entities and document types are refused: no spreadsheet writes them, and they can grow to gigabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO
from xml.parsers import expat

from provisioning.errors import InvalidInputError

CHUNK_BYTES = 64 * 1024

Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]
Text = Callable[[str], None]


def parsed(stream: IO[bytes], start: Start, end: End, text: Text) -> Iterator[None]:
    """
    Calls `start`, `end` and `text` for what the stream holds, and yields after each chunk of it.

    Raises: expat.ExpatError if it is not XML, InvalidInputError if it declares a document type, and whatever
        the stream raises.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    while chunk := stream.read(CHUNK_BYTES):
        parser.Parse(chunk, False)
        yield
    parser.Parse(b"", True)
    yield


def read_all(stream: IO[bytes], start: Start) -> None:
    """Calls `start` for every element of a part of which only the attributes matter."""
    for _ in parsed(stream, start, _ignore, _ignore):
        pass


def local(tag: str) -> str:
    """A name without its prefix."""
    return tag.rpartition(":")[2] if ":" in tag else tag


def _refuse(*_: object) -> None:
    raise InvalidInputError(
        "it declares a document type or XML entities, which no spreadsheet writes",
        hint="open it in Excel and save it as .xlsx, or export CSV UTF-8",
    )


def _ignore(_: str) -> None:
    """Nothing to do."""
