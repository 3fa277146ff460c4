"""A temporary file for checked jobs until they are submitted: a file is read once, in constant memory."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator

import msgspec

from provisioning.errors import NoRoomError
from provisioning.job import NewJob
from provisioning.text import Text

_LENGTH = 4
"""Bytes of the length before each job; a body has at most 64 kB."""

_encode_into = msgspec.msgpack.Encoder().encode_into
_decode = msgspec.msgpack.Decoder(NewJob).decode


class Spool:
    """
    Jobs in their order, in a temporary file without a name. Close it after use.

    So the submitted jobs are the checked ones, even if the input file changes meanwhile. Not thread-safe.

    Raises: NoRoomError if the temporary file cannot be created or written.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        try:
            self._file = tempfile.TemporaryFile(buffering=1 << 16)  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise NoRoomError(Text("checked rows"), error) from error

    def close(self) -> None:
        """Deletes the temporary file."""
        with contextlib.suppress(OSError):  # data that is still in memory need not be written
            self._file.close()

    def add(self, job: NewJob) -> None:
        """Appends a job."""
        buffer = self._buffer
        _encode_into(job, buffer, _LENGTH)
        buffer[:_LENGTH] = (len(buffer) - _LENGTH).to_bytes(_LENGTH, "little")
        try:
            self._file.write(buffer)
        except OSError as error:
            raise NoRoomError(Text("checked rows"), error) from error

    def __iter__(self) -> Iterator[NewJob]:
        """All jobs, from the first."""
        try:
            self._file.seek(0)  # writes data that is still in memory
        except OSError as error:
            raise NoRoomError(Text("checked rows"), error) from error
        while length := self._file.read(_LENGTH):
            yield _decode(self._file.read(int.from_bytes(length, "little")))
