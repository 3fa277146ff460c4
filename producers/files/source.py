"""
A file, a pipe or standard input as one stream of bytes: unpacked, hashed as it passes, its format recognised.

What belongs here is bytes and where they come from; what they are is for `file_kinds`, what they say for
`text`, `csv_file`, `xlsx_file`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import IO, BinaryIO, Self, cast

from producers.files.file_kinds import Format, recognise
from provisioning.errors import InvalidInputError, NoRoomError
from provisioning.text import AnyText, Text

CHUNK_BYTES = 256 * 1024
"""Bytes read at once: large enough that the cost of a call vanishes, small beside the memory promised."""

STANDARD_INPUT = "-"


class StoppedError(Exception):
    """Nobody wants the rest of the input."""


def unreadable(name: AnyText, error: OSError) -> InvalidInputError:
    """Our error for a file that the system does not read to its end: a disk, a share, a device that fails."""
    return InvalidInputError(
        Text("{name} cannot be read: {reason}", name=name, reason=error.strerror or error),
        hint="is the disk or the network drive still there? copy the file to this machine and try again",
    )


class Source:
    """
    One input, open: its bytes in chunks, and the SHA-256 of the raw file as far as it has been read.

    Args:
        where: a path, `-` for standard input, or a binary stream that the caller opened.
        format: how the rows are written; recognised from content and name if None.
        can_say: whether a hint may name `--format`: who gave a stream, or a table beside FILE, cannot say it.
        stop: set by whoever wants no more of it; whatever reads then raises StoppedError.

    Raises: InvalidInputError if it cannot be opened, is empty, or is no kind of file that we read.
    """

    def __init__(
        self,
        where: str | Path | BinaryIO,
        format: Format | None = None,
        stop: Event | None = None,
        *,
        can_say: bool = True,
    ) -> None:
        self._stop = stop
        self.name, self._raw, self._ours = _open(where)
        try:
            self._from_start = str(where) != STANDARD_INPUT and _at_start(self._raw)
            self._hashed = _Hashed(self._raw)
            self._stream: IO[bytes] = io.BufferedReader(self._hashed, CHUNK_BYTES)
            self._head = self._read(CHUNK_BYTES)
            self.compressed = self._head.startswith(b"\x1f\x8b")
            if self.compressed:
                rest = cast(BinaryIO, _Joined(self._head, self._stream))
                self._stream = cast(IO[bytes], gzip.GzipFile(fileobj=rest, mode="rb"))
                self._head = self._read(CHUNK_BYTES)
            self.format = recognise(
                self.name,
                self._head,
                format,
                path=str(where) if self._ours and Path(str(where)).is_file() else "",
                compressed=self.compressed,
                can_say=can_say and isinstance(where, str | Path),
            )
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; a stream that the caller opened stays open."""
        if self._ours:
            self._raw.close()

    @property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the raw bytes read so far: of the whole file once all rows were read."""
        return self._hashed.digest.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """The unpacked bytes, once, from the first. Raises InvalidInputError if they cannot be read."""
        chunk = self._head
        while chunk:
            yield chunk
            chunk = self._read(CHUNK_BYTES)

    def seekable(self) -> IO[bytes]:
        """
        The unpacked bytes, all of them hashed, as a file that can be read in any order; not in memory.

        A stream that the caller opened is used itself if that can be.
        """
        if self._from_start and not self.compressed:
            for _ in self.chunks():
                pass
            self._raw.seek(0)
            return self._raw
        try:
            copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's, and gone when closed
            for chunk in self.chunks():
                copy.write(chunk)
            copy.seek(0)
        except OSError as exc:
            raise NoRoomError(self.name, exc) from exc
        return copy

    def _read(self, size: int) -> bytes:
        # A pipe hands over what it has; the first chunk must be whole enough to recognise a format by.
        parts: list[bytes] = []
        if self._stop is not None and self._stop.is_set():
            raise StoppedError
        try:
            while size > 0 and (part := self._stream.read(size)):
                parts.append(part)
                size -= len(part)
        except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
            raise InvalidInputError(
                Text("{name} is damaged: it cannot be unpacked ({error})", name=self.name, error=exc),
                hint="copy or download it again",
            ) from exc
        except OSError as exc:
            raise unreadable(self.name, exc) from exc
        return b"".join(parts)


def _at_start(file: IO[bytes]) -> bool:
    """Whether a file can be read again from its first byte, which is the next one."""
    return file.seekable() and file.tell() == 0


class _Hashed(io.RawIOBase):
    """A stream that hashes what is read from it."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        self.digest.update(data)
        buffer[: len(data)] = data
        return len(data)


class _Joined:
    """The bytes already read, then the rest of the stream: what `GzipFile` needs and no more."""

    def __init__(self, head: bytes, stream: IO[bytes]) -> None:
        self._head = io.BytesIO(head)
        self._stream = stream

    def read(self, size: int) -> bytes:
        return self._head.read(size) or self._stream.read(size)


def _open(where: str | Path | BinaryIO) -> tuple[AnyText, IO[bytes], bool]:
    if not isinstance(where, str | Path):
        name = getattr(where, "name", "")  # a temporary file's is a number
        return name if name and isinstance(name, str) else Text("the input"), where, False
    if str(where) == STANDARD_INPUT:
        return Text("standard input"), sys.stdin.buffer, False
    try:
        return Path(where).name, Path(where).open("rb"), True
    except FileNotFoundError as exc:
        raise InvalidInputError(
            Text("there is no file {where}", where=where), hint=_neighbour(Path(where))
        ) from exc
    except IsADirectoryError as exc:
        raise InvalidInputError(
            Text("{where} is a directory", where=where), hint="name the file in it"
        ) from exc
    except (OSError, ValueError) as exc:
        raise InvalidInputError(
            Text(
                "{where} cannot be opened: {reason}",
                where=where,
                reason=getattr(exc, "strerror", None) or exc,
            )
        ) from exc


def _neighbour(path: Path) -> Text:
    """A file beside the missing one with a name much like it."""
    import difflib  # only for a mistake

    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    except OSError:
        return Text("there is no directory {folder} either", folder=path.parent)
    close = difflib.get_close_matches(path.name, names, n=1)
    return (
        Text("did you mean {file}?", file=path.parent / close[0])
        if close
        else Text("check the name and the directory")
    )
