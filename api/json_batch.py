"""
A JSON object with a list of jobs, read as a stream: memory is bounded by its largest job, not by its size.

`{"name": …, "jobs": [{…}, {…}]}`. It is read once for its settings, which may come after the jobs, and then
once for each pass over its jobs; each job remains the text that was sent, and `jsonl` checks it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from provisioning.errors import InvalidInputError

MOST_JOBS = 1_000_000
"""Most jobs in one body; more must be sent as CSV or JSON Lines, or in parts."""

LARGEST = 256 * 1024
"""Most bytes of one job or one setting: four times the largest body of a job."""

CHUNK = 64 * 1024

HINT = '{"name": …, "jobs": [{"key": …, "bot": {"id": …}}]}'

_BLANK = re.compile(rb"[ \t\r\n]*")
# A whole string, or a bracket; a quote alone is a string whose end has not been read yet.
_MARK = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}"]', re.DOTALL)
_SCALAR = re.compile(rb'[^ \t\r\n,:\[\]{}"]+')


class Readable(Protocol):
    """The part of a file interface that is needed."""

    def read(self, size: int, /) -> bytes: ...

    def seek(self, place: int, /) -> int: ...


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The settings in a JSON body, besides its jobs."""

    name: str | None = None
    credential: str | None = None
    defaults: dict[str, Any] | None = None
    new_bots: bool | None = None


@dataclass(frozen=True, slots=True)
class JsonBatch:
    """
    A body after its first pass.

    Attributes:
        starts_at: byte at which its first job begins, or its list ends.
        count: of its jobs.
    """

    settings: Settings
    starts_at: int
    count: int

    def jobs(self, file: Readable) -> Iterator[bytes]:
        """The text of each job, in order."""
        file.seek(self.starts_at)
        return _Text(file, self.starts_at).items()


def look_through(file: Readable) -> JsonBatch:
    """
    Reads a body from its first byte to its last.

    Raises: InvalidInputError if it is not one JSON object with a list of jobs, gives a member twice, or has
        too many jobs or too large ones. The error repeats nothing of the body.
    """
    file.seek(0)
    text = _Text(file)
    given: dict[str, bytes] = {}
    starts_at, count = -1, 0
    for name in text.members():
        if name in given or (name == "jobs" and starts_at >= 0):
            raise _not_a_batch(f"member {name} appears twice")
        if name == "jobs":
            if not text.begins(b"["):
                raise _not_a_batch("jobs is not a list")
            text.take(b"[")
            starts_at = text.place
            for _ in text.items():
                count += 1
                if count > MOST_JOBS:
                    raise InvalidInputError(
                        f"the body has more than {MOST_JOBS:,} jobs",
                        hint="send it in several requests, or as CSV",
                    )
        elif name in Settings.__struct_fields__:
            given[name] = text.value()
        else:
            known = ", ".join(("jobs", *Settings.__struct_fields__))
            raise _not_a_batch(f"unknown member; known members: {known}")
    text.end()
    if starts_at < 0:
        raise _not_a_batch("jobs is missing")
    return JsonBatch(_settings(given), starts_at, count)


def _settings(given: dict[str, bytes]) -> Settings:
    try:
        return msgspec.convert({name: msgspec.json.decode(value) for name, value in given.items()}, Settings)
    except RecursionError:
        raise _not_a_batch("nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _not_a_batch(str(error)) from error


def _not_a_batch(reason: str) -> InvalidInputError:
    return InvalidInputError(f"the body is not a batch: {reason}", hint=HINT)


class _Text:
    """
    The text of a stream, buffered only as far as its largest value requires.

    Args:
        place: current byte of the stream.
    """

    def __init__(self, file: Readable, place: int = 0) -> None:
        self._file = file
        self._text = b""
        self._at = 0
        self._before = place

    @property
    def place(self) -> int:
        """The byte that comes next, from the begin of the stream."""
        return self._before + self._at

    def members(self) -> Iterator[str]:
        """The name of each member of an object; its value must be read before the next name."""
        self.take(b"{")
        if self._peek() == b"}":
            self.take(b"}")
            return
        while True:
            if self._peek() != b'"':
                raise self._broken()
            name = self._decoded(self.value())
            self.take(b":")
            yield name
            if self._peek() == b"}":
                self.take(b"}")
                return
            self.take(b",")

    def items(self) -> Iterator[bytes]:
        """Each item of a list, after its bracket."""
        if self._peek() == b"]":
            self.take(b"]")
            return
        while True:
            yield self.value()
            if self._peek() == b"]":
                self.take(b"]")
                return
            self.take(b",")

    def value(self) -> bytes:
        """The text of the next value of any kind; only its brackets and quotes are parsed."""
        first = self._peek()
        if first in (b"{", b"["):
            return self._cut(self._nested())
        if first == b'"':
            return self._cut(self._string())
        return self._cut(self._scalar())

    def take(self, byte: bytes) -> None:
        """Raises: InvalidInputError if something else comes next."""
        if self._peek() != byte:
            raise self._broken()
        self._at += 1

    def begins(self, byte: bytes) -> bool:
        """Whether this comes next."""
        return self._peek() == byte

    def end(self) -> None:
        """Raises: InvalidInputError if anything is left."""
        if self._peek():
            raise self._broken()

    def _peek(self) -> bytes:
        """The next byte that is not blank; empty at the end."""
        while True:
            found = _BLANK.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def _nested(self) -> int:
        """Where an object or a list ends."""
        depth, at = 0, self._at
        while True:
            for mark in _MARK.finditer(self._text, at):
                byte = mark.group()
                if byte == b'"':
                    at = mark.start()
                    break
                at = mark.end()
                if byte in (b"{", b"["):
                    depth += 1
                elif byte in (b"}", b"]"):
                    depth -= 1
                    if not depth:
                        return at
            at = self._go_on(at)

    def _string(self) -> int:
        at = self._at
        while True:
            found = _MARK.match(self._text, at)
            if found and found.group() != b'"':
                return found.end()
            at = self._go_on(at)

    def _scalar(self) -> int:
        while True:
            found = _SCALAR.match(self._text, self._at)
            if found is None:
                raise self._broken()
            if found.end() < len(self._text):
                return found.end()
            self._check_size()
            if not self._more():
                return len(self._text)

    def _go_on(self, at: int) -> int:
        """Reads more of a value that has not ended. Returns: its position in the buffered text."""
        inside = at - self._at
        self._check_size()
        if not self._more():
            raise self._broken()
        return self._at + inside

    def _check_size(self) -> None:
        if len(self._text) - self._at > LARGEST:
            raise InvalidInputError(f"a job or a setting in the body has more than {LARGEST:,} bytes")

    def _more(self) -> bool:
        """Reads more, and drops what was consumed."""
        chunk = self._file.read(CHUNK)
        self._before += self._at
        self._text = self._text[self._at :] + chunk
        self._at = 0
        return bool(chunk)

    def _cut(self, end: int) -> bytes:
        value = self._text[self._at : end]
        self._at = end
        return value

    def _decoded(self, name: bytes) -> str:
        try:
            return str(msgspec.json.decode(name))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise self._broken() from None

    def _broken(self) -> InvalidInputError:
        return _not_a_batch(f"not a JSON object, or incomplete, at byte {self.place:,}")
