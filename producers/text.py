"""
Bytes become lines of text, whatever they were encoded in, and no byte is guessed at silently.

The rule, decided while streaming (a pipe cannot be read twice):

- a byte order mark, or an explicit encoding, settles it;
- otherwise all is ASCII until the first byte above 0x7F. If that begins a valid UTF-8 sequence the file is
  UTF-8, and a stray byte later is *kept as a mark* (a lone surrogate) that makes its row an error;
- if it does not, the file is Windows-1252, which is noted; a valid UTF-8 sequence met later means that the
  file mixes both, and reading stops rather than make `Ã±` of an `ñ`.

A real Windows-1252 file can contain two characters that happen to be valid UTF-8 (`É®`), and is then refused:
asking for `--encoding windows-1252` is cheaper than a thousand shops with a broken name.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterable, Iterator

from provisioning.errors import InvalidInputError

MAX_LINE_CHARACTERS = 1024 * 1024
"""A line longer than this is not a row of anything; it bounds the memory that a strange file can take."""

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

WINDOWS_1252 = "windows-1252"


class Lines:
    """
    The lines of a stream of bytes, each with its line end, in constant memory.

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
        self.notes: list[str] = []
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
                    f"a line is longer than {MAX_LINE_CHARACTERS:,} characters",
                    hint="this does not look like rows; is it the right file?",
                )
        if tail:
            self.cut = not tail.endswith("\r")
            yield tail

    def _decoded(self, encoding: str | None) -> Iterator[str]:
        first = next(self._chunks, b"")
        # A mark may arrive cut in two by a slow pipe.
        while len(first) < _LONGEST_SEQUENCE and (more := next(self._chunks, b"")):
            first += more
        if encoding is None:
            encoding = next((name for mark, name in _BYTE_ORDER_MARKS if first.startswith(mark)), None)
            if encoding is None:
                yield from self._guessed(first)
                return
        yield from self._known(encoding, first)

    def _known(self, encoding: str, first: bytes) -> Iterator[str]:
        self.encoding = encoding
        decoder = _decoder(encoding)
        chunk: bytes | None = first
        start = True
        while chunk is not None:
            following = next(self._chunks, None)
            try:
                text = decoder.decode(chunk, final=following is None)
            except UnicodeError as exc:
                raise InvalidInputError(
                    f"the file is not {encoding}: {exc}",
                    hint="say which encoding it is (--encoding), or save it as UTF-8",
                ) from exc
            # A byte order mark is no part of the first header, even where the encoding was given by name.
            yield text.removeprefix("\ufeff") if start else text
            start = start and not text
            chunk = following

    def _guessed(self, chunk: bytes) -> Iterator[str]:
        while True:
            high = _HIGH_BYTE.search(chunk)
            if high is None:
                yield chunk.decode("ascii")
                following = next(self._chunks, None)
                if following is None:
                    return
                chunk = following
                continue
            # A sequence may be cut in two by the end of the chunk.
            while len(chunk) - high.start() < _LONGEST_SEQUENCE and (more := next(self._chunks, b"")):
                chunk += more
            if _UTF8_SEQUENCE.match(chunk, high.start()):
                yield from self._known("utf-8", chunk)
            else:
                yield from self._windows(chunk)
            return

    def _windows(self, chunk: bytes) -> Iterator[str]:
        self.encoding = WINDOWS_1252
        self.notes.append(
            "the file is not UTF-8 and was read as Windows-1252; look at a name with an accent, and if it is "
            "wrong say what the file is with --encoding"
        )
        decoder = _decoder(WINDOWS_1252)
        before = b""
        while True:
            found = _UTF8_SEQUENCE.search(before + chunk)
            if found is not None:
                yield decoder.decode(chunk[: max(0, found.start() - len(before))])
                sequence = found[0].decode("utf-8")
                raise InvalidInputError(
                    f"the file mixes encodings: {sequence!r} is UTF-8, and bytes before it are not",
                    hint="save it as UTF-8, or say --encoding windows-1252 if that is what it is",
                )
            yield decoder.decode(chunk)
            following = next(self._chunks, None)
            if following is None:
                return
            before = (before + chunk)[-_LONGEST_SEQUENCE + 1 :]
            chunk = following


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
            f"there is no encoding {encoding!r}", hint="try utf-8, utf-16, windows-1252 or latin-1"
        ) from exc
