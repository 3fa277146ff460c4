"""Jobs on disk between their judgement and their handing over: a file is read once, in constant memory."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator

import msgspec

from provisioning.errors import NoRoomError
from provisioning.job import NewJob

_LENGTH = 4
"""Bytes before each job that say how long it is; a body has at most 64 kB."""

_encode_into = msgspec.msgpack.Encoder().encode_into
_decode = msgspec.msgpack.Decoder(NewJob).decode


class Spool:
    """
    Jobs in the order in which they came, in a temporary file without a name; to be closed.

    What was judged is what is handed over, whatever becomes of the file meanwhile. One thread at a time.

    Raises: NoRoomError if the temporary file cannot be made or written.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        try:
            self._file = tempfile.TemporaryFile(buffering=1 << 16)  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise NoRoomError("checked rows", error) from error

    def close(self) -> None:
        """Lets go of the file, and it is gone."""
        with contextlib.suppress(OSError):  # what is still in memory need not be written any more
            self._file.close()

    def add(self, job: NewJob) -> None:
        """Keeps a job behind all others."""
        buffer = self._buffer
        _encode_into(job, buffer, _LENGTH)
        buffer[:_LENGTH] = (len(buffer) - _LENGTH).to_bytes(_LENGTH, "little")
        try:
            self._file.write(buffer)
        except OSError as error:
            raise NoRoomError("checked rows", error) from error

    def __iter__(self) -> Iterator[NewJob]:
        """All jobs, from the first on."""
        try:
            self._file.seek(0)  # flushes what is still in memory
        except OSError as error:
            raise NoRoomError("checked rows", error) from error
        while length := self._file.read(_LENGTH):
            yield _decode(self._file.read(int.from_bytes(length, "little")))
