"""
The parts of an .xlsx file: which sheets there are and where, how cells are shown, and the table of texts.

Source: ECMA-376 part 1, §18.2 (workbook), §18.4 (shared strings), §18.8 (styles); part 2 (packages). Strict
and transitional files differ in namespaces only, and elements are known here by their local names.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, cast
from xml.etree.ElementTree import Element

from producers.files.number_format import BUILT_IN, NumberFormat
from producers.files.xml_events import LocalNames, elements, local, read_all
from provisioning.errors import InvalidInputError
from provisioning.text import AnyText, Text, plural

MAX_SHEET_BYTES = 4 * 1024**3
"""Bytes of one sheet, unpacked. It is streamed; a million rows of twelve columns have some 700 MB."""

MAX_PART_BYTES = 512 * 1024**2
"""Bytes of any other part, unpacked: the texts are held in memory."""

MAX_RATIO = 200
"""How many times larger than packed a large part may be: a sheet 10 to 40, a file made to explode 1000."""

MAX_DIRECTORY_BYTES = 4 * 1024**2
"""Of the archive's own list of its parts, some 100 bytes each: a workbook of a thousand sheets has 3,000."""

SAVE_ANEW = Text("open it in Excel and save it as .xlsx, or export CSV UTF-8")

_LARGE = 16 * 1024**2
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ESCAPED = re.compile(r"_x005[Ff]_(x[0-9A-Fa-f]{4}_)|_x([0-9A-Fa-f]{4})_")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    Most bytes that each part which is read may unpack to.

    Attributes:
        sheet: streamed.
        texts: held in memory, with eight bytes more a text.
        other: its styles may take twenty times that in memory.
    """

    sheet: int = MAX_SHEET_BYTES
    texts: int = MAX_PART_BYTES
    other: int = MAX_PART_BYTES


OWN_FILE = Bounds()
"""For a person's own files: a large workbook is slow, and hurts nobody else."""

UPLOADED = Bounds(sheet=1024**3, texts=128 * 1024**2, other=8 * 1024**2)
"""For files that people send to a server, which reads several at a time."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A worksheet: its title, the part that holds it, and whether a person sees it."""

    title: str
    part: str
    visible: bool


class Texts:
    """The shared texts, kept as UTF-8 one after another: a third of what as many objects take."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("Q", [0])

    def add(self, text: str) -> None:
        """Keep one more."""
        self._bytes += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> str:
        ends = self._ends
        return self._bytes[ends[index] : ends[index + 1]].decode("utf-8", "surrogatepass")


class Package:
    """
    An open .xlsx file.

    Attributes:
        sheets: the worksheets, in the order of their tabs; sheets that are charts are left out.
        formats: how cells are shown, by the number of their style.
        since_1904: whether days are counted from 1904.
        to_be_computed: whether it asks to be computed when it is opened: it was not when it was written.

    Raises: InvalidInputError if it is another kind of file or unpacks to too much (messages speak of "it");
        zipfile.BadZipFile, expat.ExpatError, KeyError and others if it is damaged.
    """

    def __init__(self, file: IO[bytes], bounds: Bounds = OWN_FILE) -> None:
        self._bounds = bounds
        self._archive = _opened(file)
        self._parts = _checked(self._archive.infolist())
        self.since_1904 = False
        self.to_be_computed = False
        book = self._related("", "officeDocument", "xl/workbook.xml")
        self._book = book
        self.sheets = self._read_book(book)
        self.formats = self._read_styles(self._related(book, "styles", "xl/styles.xml"))

    def close(self) -> None:
        """Let go of the archive; the file it is in stays open."""
        self._archive.close()

    def open_sheet(self, sheet: Sheet) -> IO[bytes]:
        """The bytes of a sheet."""
        return self._open(sheet.part, self._bounds.sheet)

    def _open(self, part: str, most: int) -> IO[bytes]:
        """The bytes of a part. Raises: InvalidInputError if it is missing, or has more than `most`."""
        found = self._parts.get(part.lower())
        if found is None:
            raise InvalidInputError(Text("it lacks its part {part}", part=part), hint=SAVE_ANEW)
        if found.file_size > most:
            raise _too_much(found)
        if found.compress_type not in _METHODS:
            raise InvalidInputError(
                Text("its part {part} is packed in a way that no spreadsheet writes", part=part),
                hint=SAVE_ANEW,
            )
        return self._archive.open(found)

    def texts(self) -> Texts:
        """The shared texts; none if there is no such part."""
        texts = Texts()
        part = self._related(self._book, "sharedStrings", "xl/sharedStrings.xml")
        if not part:
            return texts
        name_of = LocalNames()
        with self._open(part, self._bounds.texts) as stream:
            for found in elements(stream, ("sst",)):
                for element in found:
                    if name_of[element.tag] == "si":
                        texts.add(unescaped(text_of(element, name_of)))
        return texts

    def _relations(self, of: str) -> dict[str, tuple[str, str]]:
        """The last word of each relation's type, and the part it leads to, by its id."""
        folder, base = posixpath.split(of)
        part = posixpath.join(folder, "_rels", f"{base}.rels")
        found: dict[str, tuple[str, str]] = {}

        def start(tag: str, given: dict[str, str]) -> None:
            if local(tag) == "Relationship" and given.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, given["Target"])).lstrip("/")
                found[given["Id"]] = given["Type"].rpartition("/")[2], target

        if part.lower() in self._parts:
            with self._open(part, self._bounds.other) as stream:
                read_all(stream, start)
        return found

    def _related(self, of: str, kind: str, usual: str) -> str:
        """The part that one leads to; where no relation names it, the usual one if it is there."""
        found = next((part for what, part in self._relations(of).values() if what == kind), "")
        return found or (usual if usual.lower() in self._parts else "")

    def _read_book(self, book: str) -> tuple[Sheet, ...]:
        relations = self._relations(book)
        sheets: list[Sheet] = []

        def start(tag: str, given: dict[str, str]) -> None:
            name = local(tag)
            if name == "sheet":
                relation = next(value for key, value in given.items() if key.endswith(":id"))
                kind, part = relations[relation]
                if kind == "worksheet":
                    title = unescaped(given["name"])
                    sheets.append(Sheet(title, part, given.get("state", "visible") == "visible"))
            elif name == "workbookPr":
                self.since_1904 = _true(given.get("date1904"))
            elif name == "calcPr":
                self.to_be_computed = _true(given.get("fullCalcOnLoad"))

        with self._open(book, self._bounds.other) as stream:
            read_all(stream, start)
        return tuple(sheets)

    def _read_styles(self, part: str) -> list[NumberFormat]:
        codes = dict(BUILT_IN)
        used: list[int] = []
        within = False

        def start(tag: str, given: dict[str, str]) -> None:
            nonlocal within
            name = local(tag)
            if name == "numFmt" and "numFmtId" in given:
                codes[int(given["numFmtId"])] = given.get("formatCode", "General")
            elif name == "xf" and within:
                used.append(int(given.get("numFmtId", "0")))
            elif name in ("cellXfs", "cellStyleXfs", "cellStyles", "dxfs"):
                within = name == "cellXfs"

        if part:
            with self._open(part, self._bounds.other) as stream:
                read_all(stream, start)
        made = {number: NumberFormat(codes.get(number, "General")) for number in {0, *used}}
        return [made[number] for number in used] or [made[0]]


def text_of(element: Element, name_of: LocalNames) -> str:
    """A shared or an inline text, with its runs joined and without what only says how it is pronounced."""
    if len(element) == 1 and name_of[element[0].tag] == "t":
        return element[0].text or ""
    parts: list[str] = []
    for child in element:
        name = name_of[child.tag]
        if name == "t":
            parts.append(child.text or "")
        elif name == "r":
            parts += [run.text or "" for run in child if name_of[run.tag] == "t"]
    return "".join(parts)


def unescaped(text: str) -> str:
    """
    The text, in which `_x000D_` and the like stand for characters that XML cannot hold.

    `_x005F_x000D_` is the text `_x000D_`, which is looked at no more. LibreOffice and XlsxWriter have it so
    where several follow each other, too.
    """
    if "_x" not in text:
        return text
    text = _ESCAPED.sub(lambda found: "_" + found[1] if found[1] else chr(int(found[2], 16)), text)
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return text


def _true(text: str | None) -> bool:
    return text in ("1", "true", "on")


def _checked(parts: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """The parts by name in small letters; zipfile never unpacks more than a part claims to have."""
    found: dict[str, zipfile.ZipInfo] = {}
    for part in parts:
        path = part.filename.replace("\\", "/").lstrip("/").lower()
        if path in found:
            raise InvalidInputError(
                Text("it holds its part {filename} twice", filename=part.filename), hint=SAVE_ANEW
            )
        found[path] = part
        most = MAX_SHEET_BYTES if path.startswith("xl/worksheets/") else MAX_PART_BYTES
        if part.file_size > most or (
            part.file_size > _LARGE and part.file_size > part.compress_size * MAX_RATIO
        ):
            raise _too_much(part)
    if other := _other_kind(found, [part.filename for part in parts]):
        raise InvalidInputError(other[0], hint=other[1])
    return found


def _too_much(part: zipfile.ZipInfo) -> InvalidInputError:
    return InvalidInputError(
        Text(
            "it unpacks to too much: {filename} has {file_size:,} bytes",
            filename=part.filename,
            file_size=part.file_size,
        ),
        hint="export CSV UTF-8, or make several files of it",
    )


def _opened(file: IO[bytes]) -> zipfile.ZipFile:
    """The archive. Raises: InvalidInputError if the list of its parts, held in memory, is too long."""
    guarded = _Guarded(file)
    archive = zipfile.ZipFile(cast(IO[bytes], guarded))
    guarded.most = None
    return archive


class _Guarded:
    """A file that hands out no more than `most` bytes at once, if that is not None."""

    def __init__(self, file: IO[bytes]) -> None:
        self.most: int | None = MAX_DIRECTORY_BYTES
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if self.most is not None and size > self.most:
            raise InvalidInputError("it holds more parts than any workbook", hint=SAVE_ANEW)
        return self._file.read(size)


def _other_kind(parts: Mapping[str, object], names: Sequence[str]) -> tuple[AnyText, AnyText] | None:
    """What a ZIP archive is that is no .xlsx file, and the way out."""
    if "xl/workbook.bin" in parts:
        return Text("it is a binary workbook (.xlsb)"), Text("save it as .xlsx or CSV UTF-8")
    if "[content_types].xml" in parts:
        other = "word/document.xml" in parts or "ppt/presentation.xml" in parts
        return (
            (Text("it is a text or slides, not a workbook"), Text("export the table as CSV"))
            if other
            else None
        )
    if "content.xml" in parts:
        return Text("it is an OpenDocument file (.ods)"), Text("save it as .xlsx or CSV UTF-8")
    if "index/document.iwa" in parts or "index.zip" in parts:
        return Text("it is a document of Apple's Numbers"), Text("in Numbers: File, Export To, Excel or CSV")
    files = [name for name in names if not name.endswith("/") and not name.startswith("__MACOSX/")]
    if not files:
        return Text("it is a ZIP archive that holds nothing, not an Excel file"), Text(
            "unpack it and name the file in it"
        )
    return plural(
        "it is a ZIP archive that holds {first}, not an Excel file",
        "it is a ZIP archive that holds {first} and {more} more, not an Excel file",
        len(files),
        first=files[0],
        more=len(files) - 1,
    ), Text("unpack it and name the file in it")
