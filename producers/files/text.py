"""
Bytes become lines of text, whatever they were encoded in, and no byte is guessed at silently.

The rule, decided while streaming (a pipe cannot be read twice):

- a byte order mark, or an explicit encoding, settles it;
- otherwise all is ASCII until the first byte above 0x7F. If that begins a valid UTF-8 sequence the file is
  UTF-8, and a stray byte later is *kept as a mark* (a lone surrogate) that makes its row an error;
- if it does not, the file is Windows-1252, which is noted with an example, unless the bytes speak against it
  (`encodings`): then it is refused, and the hint names what they may be. A valid UTF-8 sequence met later
  means that the file mixes both, and reading stops rather than make `Ã±` of an `ñ`.

A real Windows-1252 file can contain two characters that happen to be valid UTF-8 (`É®`), and is then refused:
asking for `--encoding windows-1252` is cheaper than a thousand shops with a broken name.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterable, Iterator

from producers.files.encodings import (
    AFTER,
    BEFORE,
    BEGINNING,
    WINDOWS_1252,
    doubt,
    example,
    undefined,
    unmarked,
)
from provisioning.errors import InvalidInputError
from provisioning.text import Text

MAX_LINE_CHARACTERS = 1024 * 1024
"""A line longer than this is not a row of anything; it bounds the memory that a strange file can take."""

END_MARK = "\x1a"
"""With it DOS ended a text, and programs of that descent still do."""

_BYTE_ORDER_MARKS = (
    # UTF-32 first: its mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_HIGH_BYTE = re.compile(rb"[\x80-\xff]")
_UTF8_SEQUENCE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]"
    rb"|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
_LONGEST_SEQUENCE = 4


class Lines:
    """
    The lines of a stream of bytes, each with its line end, in constant memory.

    Marks of its end that DOS put behind the last line are none of it.

    Args:
        chunks: the bytes.
        encoding: a Python encoding; found out if None.

    Attributes:
        encoding: what the bytes were taken for, as far as it is known yet.
        notes: what a person should know about the decoding.
        cut: whether the text ended without a line end.

    Iterating raises InvalidInputError at the first line that cannot be decoded.
    """

    def __init__(self, chunks: Iterable[bytes], encoding: str | None = None) -> None:
        self.notes: list[Text] = []
        self.encoding = "ascii"
        self.cut = False
        self._chunks = iter(chunks)
        self._text = self._decoded(encoding)
        self._lines = self._split()

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def __next__(self) -> str:
        return next(self._lines)

    def _split(self) -> Iterator[str]:
        tail = ""
        for text in self._text:
            # `newline=""` knows \n, \r\n and \r and changes none of them; `str.splitlines` would also
            # split at characters that are part of a value, such as U+2028.
            lines = io.StringIO(tail + text, newline="").readlines()
            # The last piece may go on in the next chunk, and a \r there may be half of a \r\n.
            tail = lines.pop() if lines and not lines[-1].endswith("\n") else ""
            yield from lines
            if len(tail) > MAX_LINE_CHARACTERS:
                raise InvalidInputError(
                    Text(
                        "a line is longer than {max_line_characters:,} characters",
                        max_line_characters=MAX_LINE_CHARACTERS,
                    ),
                    hint="this does not look like rows; is it the right file?",
                )
        marked = tail.endswith(END_MARK)
        if tail := tail.rstrip(END_MARK):
            self.cut = not marked and not tail.endswith("\r")
            yield tail

    def _decoded(self, encoding: str | None) -> Iterator[str]:
        # What tells the encoding may arrive in pieces by a slow pipe.
        first = self._at_least(BEGINNING, b"")
        mark = next((name for mark, name in _BYTE_ORDER_MARKS if first.startswith(mark)), None)
        if encoding is None:
            encoding = mark
        elif mark is not None and not _name_of(encoding).startswith(mark):
            raise InvalidInputError(
                Text(
                    ("the file begins with the byte order mark of {mark}, and --encoding is {encoding}"),
                    mark=mark,
                    encoding=encoding,
                ),
                hint="leave --encoding out",
            )
        zeros = None if mark else unmarked(first)
        if encoding is None and zeros:
            raise InvalidInputError(
                Text("the file is {encoding} without a byte order mark", encoding=zeros[:6].upper()),
                hint=Text("say so: --encoding {encoding}", encoding=zeros),
            )
        if encoding is None:
            yield from self._guessed(first)
        elif zeros and _name_of(encoding) == zeros[:6]:
            yield from self._known(zeros, first)  # the order of its bytes is told by itself
        else:
            yield from self._known(encoding, first, asked=mark is None)

    def _known(self, encoding: str, first: bytes, *, asked: bool = False) -> Iterator[str]:
        self.encoding = encoding
        decoder = _decoder(encoding)
        chunk: bytes | None = first
        start = True
        while chunk is not None:
            if asked and (high := _HIGH_BYTE.search(chunk)):
                asked = False
                self._note_utf8(encoding, chunk, high.start())
            following = next(self._chunks, None)
            try:
                text = decoder.decode(chunk, final=following is None)
            except UnicodeError as exc:
                raise InvalidInputError(
                    Text("the file is not {encoding}: {error}", encoding=encoding, error=exc),
                    hint="say which encoding it is (--encoding), or save it as UTF-8",
                ) from exc
            # A byte order mark is no part of the first header, even where the encoding was given by name.
            yield text.removeprefix("\ufeff") if start else text
            start = start and not text
            chunk = following

    def _note_utf8(self, encoding: str, chunk: bytes, at: int) -> None:
        """A note if text is UTF-8 by all appearance and was said to be something else."""
        if _UTF8_SEQUENCE.match(chunk, at) and not _name_of(encoding).startswith("utf"):
            self.notes.append(
                Text(
                    (
                        "the file was read as {encoding}, as --encoding says, and looks like UTF-8: "
                        "{meant!r} was read as {read!r}"
                    ),
                    encoding=encoding,
                    meant=example(chunk, "utf-8"),
                    read=example(chunk, encoding),
                )
            )

    def _guessed(self, chunk: bytes) -> Iterator[str]:
        before = b""
        while True:
            high = _HIGH_BYTE.search(chunk)
            if high is None:
                yield chunk.decode("ascii")
                following = next(self._chunks, None)
                if following is None:
                    return
                before = (before + chunk)[-BEFORE:]
                chunk = following
                continue
            # A sequence may be cut in two by the end of the chunk.
            chunk = self._at_least(high.start() + _LONGEST_SEQUENCE, chunk)
            if _UTF8_SEQUENCE.match(chunk, high.start()):
                yield from self._known("utf-8", chunk)
            else:
                chunk = self._at_least(high.start() + AFTER, chunk)
                sample = (before + chunk[: high.start()])[-BEFORE:] + chunk[high.start() :][:AFTER]
                self._take_for_windows(sample)
                yield from self._windows(chunk)
            return

    def _at_least(self, size: int, chunk: bytes) -> bytes:
        """The chunk, and as much of the next ones as it takes to have so many bytes, if there are."""
        parts = [chunk]
        have = len(chunk)
        while have < size and (more := next(self._chunks, b"")):
            parts.append(more)
            have += len(more)
        return b"".join(parts)

    def _take_for_windows(self, sample: bytes) -> None:
        if found := doubt(sample):
            likely = Text(
                "in {encoding} it is {better!r}; if that is right: --encoding {encoding}",
                encoding=found.encoding,
                better=found.better,
            )
            raise InvalidInputError(
                Text(
                    ("the file is not UTF-8, and hardly Windows-1252: that would make it {example!r}"),
                    example=found.example,
                ),
                hint=likely if found.encoding else _SAY,
            )
        self.encoding = WINDOWS_1252
        self.notes.append(
            Text(
                (
                    "the file is not UTF-8 and was read as Windows-1252, for example "
                    "{example!r}; if that is wrong, save it as CSV UTF-8, or say what it is with "
                    "--encoding"
                ),
                example=example(sample, WINDOWS_1252),
            )
        )

    def _windows(self, chunk: bytes) -> Iterator[str]:
        decoder = _decoder(WINDOWS_1252)
        before = b""
        while True:
            found = _UTF8_SEQUENCE.search(before + chunk)
            mixed = max(0, found.start() - len(before)) if found else len(chunk)
            nothing = undefined(chunk)
            if nothing is not None and nothing < mixed:
                yield decoder.decode(chunk[:nothing])
                raise InvalidInputError(
                    Text(
                        "the file is neither UTF-8 nor Windows-1252: it holds the byte 0x{code:02X}",
                        code=chunk[nothing],
                    ),
                    hint=_SAY,
                )
            if found is not None:
                yield decoder.decode(chunk[:mixed])
                sequence = found[0].decode("utf-8")
                raise InvalidInputError(
                    Text(
                        "the file mixes encodings: {sequence!r} is UTF-8, and bytes before it are not",
                        sequence=sequence,
                    ),
                    hint="save it as UTF-8, or say --encoding windows-1252 if that is what it is",
                )
            yield decoder.decode(chunk)
            following = next(self._chunks, None)
            if following is None:
                return
            before = (before + chunk)[-_LONGEST_SEQUENCE + 1 :]
            chunk = following


_SAY = Text("say which encoding it is, such as --encoding cp850, or save it as CSV UTF-8")


def _name_of(encoding: str) -> str:
    """Python's name of an encoding, whatever it is called; as it is given if there is none."""
    try:
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        return encoding


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    try:
        # Refuses unknown names and codecs that make no text of bytes (base64, rot13).
        b"text".decode(encoding, "replace")
        name = codecs.lookup(encoding).name
        # What cannot be decoded becomes a lone surrogate, and so an error of its row and not of the file.
        marks = "surrogatepass" if name.startswith(("utf-16", "utf-32")) else "surrogateescape"
        return codecs.getincrementaldecoder(encoding)(marks)
    except (LookupError, UnicodeError, ValueError) as exc:
        raise InvalidInputError(
            Text("there is no encoding {encoding!r}", encoding=encoding),
            hint=Text("try utf-8, utf-16, windows-1252 or latin-1"),
        ) from exc
