"""
What a file is, by its first bytes: one of the formats that we read, or another one, with the way out.

Pure. A name may say anything; what stands in the file decides. ZIP archives are told apart by `package`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from producers.files.encodings import unmarked
from provisioning.errors import InvalidInputError
from provisioning.text import AnyText, Text


class Format(StrEnum):
    """How the rows are written down."""

    CSV = "csv"
    TSV = "tsv"
    XLSX = "xlsx"
    JSONL = "jsonl"


SUFFIXES = {
    ".csv": Format.CSV,
    ".txt": Format.CSV,
    ".tsv": Format.TSV,
    ".tab": Format.TSV,
    ".xlsx": Format.XLSX,
    ".xlsm": Format.XLSX,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".json": Format.JSONL,
}

_SAVE = Text("open it in a spreadsheet and save it as .xlsx or CSV UTF-8")
_EXPORT = Text("export the table as CSV UTF-8")


class _Magic(NamedTuple):
    """
    Bytes at a place, what has them there, and the way out.

    Of a packed file, what unpacks it and how its name ends; none for an archive.
    """

    start: bytes
    what: Text
    hint: Text = _EXPORT
    unpack: str = ""
    suffix: str = ""
    at: int = 0


_MAGIC = (
    _Magic(b"\xd0\xcf\x11\xe0", Text("an old Excel file (.xls), or one with a password"), _SAVE),
    _Magic(b"%PDF", Text("a PDF")),
    _Magic(b"{\\rtf", Text("a text document (.rtf)")),
    _Magic(b"\x28\xb5\x2f\xfd", Text("compressed with zstd"), unpack="zstd -d", suffix=".zst"),
    _Magic(b"BZh", Text("compressed with bzip2"), unpack="bunzip2", suffix=".bz2"),
    _Magic(b"\xfd7zXZ", Text("compressed with xz"), unpack="unxz", suffix=".xz"),
    _Magic(b"\x04\x22\x4d\x18", Text("compressed with lz4"), unpack="lz4 -d", suffix=".lz4"),
    _Magic(b"\x1f\x9d", Text("compressed with compress (.Z)"), unpack="uncompress", suffix=".Z"),
    _Magic(b"7z\xbc\xaf\x27\x1c", Text("a 7-Zip archive"), unpack="7z x"),
    _Magic(b"Rar!\x1a\x07", Text("a RAR archive"), unpack="unrar x"),
    _Magic(b"ustar", Text("a tar archive"), unpack="tar -xkf", at=257),
    _Magic(b"\x89PNG", Text("a picture (PNG)")),
    _Magic(b"\xff\xd8\xff", Text("a picture (JPEG)")),
    _Magic(b"GIF8", Text("a picture (GIF)")),
    _Magic(b"II*\0", Text("a picture (TIFF)")),
    _Magic(b"MM\0*", Text("a picture (TIFF)")),
    _Magic(b"WEBPVP8", Text("a picture (WebP)"), at=8),
    _Magic(b"ftyp", Text("a picture or a film"), at=4),
    _Magic(b"SQLite format 3\0", Text("a SQLite database")),
    _Magic(b"Standard ", Text("an Access database"), at=4),
    _Magic(b"PAR1", Text("a Parquet file")),
    _Magic(b"ARROW1", Text("an Arrow file")),
    _Magic(b"ORC", Text("an ORC file")),
    _Magic(b"Obj\x01", Text("an Avro file")),
    _Magic(
        b"version https://git-lfs",
        Text("a pointer of Git LFS and not the file itself"),
        Text("git lfs pull fetches it"),
    ),
)

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")

_MARKUP = re.compile(r"<(?:!doctype|!--|\?xml|[a-z][a-z0-9:]*[\s/>])", re.IGNORECASE)
_SYLK = re.compile(r"ID;P\w*(?:;[A-Z]\w*)*\s*\n(?s:.*?)^C;[^\n]*;K", re.MULTILINE)
_DIF = re.compile(r'TABLE\s*\n0,1\s*\n"[^\n]*"\s*\n(?:VECTORS|TUPLES)\b')

_LOOKED_AT = 4096
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x19\x1c-\x1f\x7f]")
_MOST_CONTROL = 0.05
"""Share of control characters up to which bytes are text, if perhaps a damaged one."""
_ENOUGH = 512
"""Bytes from which on a share says anything."""


def recognise(
    name: AnyText,
    head: bytes,
    wanted: Format | None = None,
    *,
    path: str = "",
    can_say: bool = True,
    compressed: bool = False,
) -> Format:
    """
    The format of a file: what its first bytes say, then the one wanted, then what its name says.

    Args:
        name: what messages call it.
        head: its first bytes, unpacked.
        wanted: the format that somebody named; None if nobody did.
        path: where it lies, for a hint that names a command; "" for what has no path.
        compressed: whether it lies there packed by gzip.
        can_say: whether who gave the file could name the format, or leave that.

    Raises: InvalidInputError if it is empty, or a kind of file that we do not read, or not the one wanted.
    """
    if not head:
        raise InvalidInputError(
            Text("{name} is empty", name=name),
            hint="check that the file was saved, or that the pipe has input",
        )
    if head.startswith(_ZIP):
        return _unless_wanted(
            name, Format.XLSX, Text("an Excel file or another ZIP archive"), wanted, can_say
        )
    before = ["gunzip"] if compressed else []
    if other := _other(head, path, before):
        raise InvalidInputError(Text("{name} is {other}", name=name, other=other[0]), hint=other[1])
    text = _text(head)
    if text.startswith("[") and _is_json(text[1:]):
        raise InvalidInputError(
            Text("{name} is one JSON list; JSON Lines has one object on each line", name=name),
            hint=_lines(Text("turn it into lines"), [*before, *_as_utf8(head), "jq -c '.[]'"], path),
        )
    if text.startswith("{") and _is_json(text[1:]):
        if text.partition("\n")[0].strip() == "{":
            raise InvalidInputError(
                Text(
                    ("{name} is JSON with an object over several lines; JSON Lines has one on each line"),
                    name=name,
                ),
                hint=_lines(Text("join each object's lines"), [*before, *_as_utf8(head), "jq -c ."], path),
            )
        return _unless_wanted(name, Format.JSONL, "JSON", wanted, can_say)
    suffix = Path(str(name).lower().removesuffix(".gz")).suffix
    found = wanted or SUFFIXES.get(suffix, Format.CSV)
    if found is Format.XLSX:
        if wanted and not can_say:
            raise InvalidInputError(
                Text("{name} is no Excel file, whatever its Content-Type says", name=name),
                hint="send it with its own Content-Type, or save it as .xlsx",
            )
        raise InvalidInputError(
            Text(
                "{name} is no Excel file, whatever {what} says",
                name=name,
                what="--format" if wanted else Text("its name"),
            ),
            hint=Text("it is text: --format csv reads it") if can_say else _SAVE,
        )
    return found


def bare_name(path: str) -> str:
    """
    The last part of a path without what tells the format.

    >>> bare_name("data/clientes.marzo.csv.gz"), bare_name("clientes.xlsx"), bare_name("v1.2")
    ('clientes.marzo', 'clientes', 'v1.2')
    """
    name = Path(path).name
    if name.lower().endswith(".gz"):
        name = name[:-3]
    suffix = next((each for each in SUFFIXES if name.lower().endswith(each)), "")
    return name[: len(name) - len(suffix)]


def _unless_wanted(
    name: AnyText, found: Format, what: AnyText, wanted: Format | None, can_say: bool
) -> Format:
    if wanted in (None, found):
        return found
    raise InvalidInputError(
        Text("{name} is {what}, not {wanted}", name=name, what=what, wanted=wanted),
        hint=Text("omit --format")
        if can_say
        else Text("send it with its own Content-Type, or save it as CSV UTF-8"),
    )


def _other(head: bytes, path: str, before: Sequence[str]) -> tuple[AnyText, AnyText] | None:
    """What a file is that we do not read, and the way out."""
    for magic in _MAGIC:
        if head.startswith(magic.start, magic.at):
            return magic.what, _unpacked(magic, path, before) if magic.unpack else magic.hint
    text = _text(head)
    if _MARKUP.match(text):
        start = text[:2048].lower()
        if "<html" in start or "<table" in start or not start.startswith("<?xml"):
            return Text("a page of HTML, whatever its name says"), _SAVE
        if "urn:schemas-microsoft-com:office:spreadsheet" in start or "excel.sheet" in start:
            return Text("an XML spreadsheet of Excel 2003, whatever its name says"), _SAVE
        if "office:document" in start:
            return Text("an OpenDocument spreadsheet (.fods)"), _SAVE
        return Text("an XML file"), _EXPORT
    if text.startswith("MIME-Version:"):
        return Text("a web page in one file (MHTML)"), _SAVE
    if _SYLK.match(text):
        return Text("a SYLK spreadsheet (.slk), whatever its name says"), _SAVE
    if _DIF.match(text):
        return Text("a DIF spreadsheet (.dif), whatever its name says"), _SAVE
    beginning = head[:_LOOKED_AT]
    if not _marked(head) and not unmarked(head):
        count = len(_CONTROL.findall(beginning))
        if len(beginning) >= _ENOUGH and count > len(beginning) * _MOST_CONTROL:
            return Text("no text: it is full of control characters"), _EXPORT
    return None


def _marked(head: bytes) -> bool:
    return head.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff"))


def _text(head: bytes) -> str:
    """The beginning as text, as far as it is ASCII; that tells all formats that are text."""
    bare = (
        head[: 4 * _LOOKED_AT].replace(b"\0", b"") if _marked(head) or unmarked(head) else head[:_LOOKED_AT]
    )
    for mark in (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"):
        bare = bare.removeprefix(mark)
    return bare[:_LOOKED_AT].decode("latin-1").lstrip()


def _is_json(rest: str) -> bool:
    """Whether what follows a bracket is JSON, and not the text of a header."""
    return rest.lstrip()[:1] in ('"', "{", "}", "[", "]", "")


def _as_utf8(head: bytes) -> list[str]:
    """What makes UTF-8 of text, where it is something else that its first bytes tell."""
    marked = "utf-32" if head.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")) else "utf-16"
    # `iconv` writes UTF-16LE without a second dash.
    name = marked if _marked(head) else (unmarked(head) or "").replace("-le", "le").replace("-be", "be")
    return [f"iconv -f {name} -t utf-8"] if name else []


def _lines(what: Text, programs: Sequence[str], path: str) -> Text:
    """The hint to make JSON Lines of a file."""
    to = str(Path(path.removesuffix(".gz")).with_suffix(".jsonl")) if path else ""
    return _command(what, programs, path, f"{path}.jsonl" if to == path else to)


def _unpacked(magic: _Magic, path: str, before: Sequence[str]) -> Text:
    """The hint to unpack a file; what it came in is kept, whatever it is called."""
    what = Text("unpack it first")
    if magic.suffix:
        name = Path(path.removesuffix(".gz") if before else path).name.removesuffix(magic.suffix)
        to = str(Path(path).with_name(f"unpacked-{name}")) if path else ""
        return _command(what, [*before, magic.unpack], path, to)
    # An archive, which is no stream.
    if not path:
        return Text(
            "{what}, with {program}, and give the file that was in it",
            what=what,
            program=magic.unpack.split()[0],
        )
    return Text("{what}: {command}", what=what, command=f"{magic.unpack} {_typed(path)}")


def _command(what: Text, programs: Sequence[str], path: str, to: str) -> Text:
    """The hint to send a file through programs; where it came by a pipe, they go before us."""
    first, *others = programs
    if not path:
        return Text("{what}: put {programs} into the pipe", what=what, programs=" | ".join(programs))
    return Text(
        "{what}: {command}",
        what=what,
        command=" | ".join([f"{first} < {_typed(path)}", *others]) + f" > {_typed(to)}",
    )


def _typed(path: str) -> str:
    """A path as it is typed into a shell; a leading dash would make an option of it."""
    return shlex.quote(f"./{path}" if path.startswith("-") else path)
