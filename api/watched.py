"""A body with a deadline: one that takes too long to read, or is mostly blank, is refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import IO

from api.problem import Kind, ProblemError
from producers.files.source import StoppedError
from provisioning.errors import InvalidInputError

JUDGED_WITHIN = 300.0
"""Seconds to check a body: several times what the largest takes on a busy machine."""

MOST_BLANK = 8 << 20
"""Bytes of consecutive blank rows: as many as a sheet saved with all its million rows has."""

_NOTHING = b" \t\r\n,;\x00"


class TooSlowError(ProblemError, StoppedError):
    """A body is not read to its end in time; no reader takes this for a damage of the body."""


class Watched:
    """
    A file that is read under a deadline until `rest` is called.

    Raises, from `read`: TooSlowError after the deadline; InvalidInputError if too much of it is blank.
    """

    def __init__(self, file: IO[bytes], clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._deadline: float | None = clock() + JUDGED_WITHIN
        self._blank = 0

    def read(self, size: int = -1) -> bytes:
        """As of a file."""
        if self._deadline is not None and self._clock() > self._deadline:
            raise TooSlowError(
                Kind.TOO_LARGE,
                f"the body takes more than {JUDGED_WITHIN:g} s to read; nothing was submitted",
                hint="send it in several requests",
            )
        data = self._file.read(size)
        self._blank = 0 if data.strip(_NOTHING) else self._blank + len(data)
        if self._blank > MOST_BLANK:
            raise InvalidInputError(
                f"the body has more than {MOST_BLANK >> 20} MB of blank rows in sequence",
                hint="remove them",
            )
        return data

    def seek(self, place: int, whence: int = 0) -> int:
        """As of a file; blanks before this position no longer count."""
        self._blank = 0
        return self._file.seek(place, whence)

    def tell(self) -> int:
        """As of a file."""
        return self._file.tell()

    def seekable(self) -> bool:
        """A body can be read in any order: a workbook has its list of contents at the end."""
        return True

    def rest(self) -> None:
        """Ends the deadline: the body is checked, and submitting takes as long as the ledger needs."""
        self._deadline = None
