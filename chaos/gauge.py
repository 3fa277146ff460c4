"""
What a process lets be known of itself, in a file that outlives its SIGKILL.

A memory-mapped page stays with the kernel when its writer is killed between any two instructions.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Final

_FORM: Final = struct.Struct("=qq")


class Gauge:
    """
    Two numbers, written by one process and read by another.

    Attributes:
        in_flight: POSTs whose intent was handed to Redis and whose record Redis has not confirmed. Raised
            before and lowered after, so that at no moment it says too little.
        passings: of the checkpoint at which the process is to die.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_FORM.size))
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), _FORM.size)

    @property
    def in_flight(self) -> int:
        return int(_FORM.unpack(self._page[:])[0])

    @property
    def passings(self) -> int:
        return int(_FORM.unpack(self._page[:])[1])

    def show(self, *, in_flight: int | None = None, passings: int | None = None) -> None:
        """Writes what is given and leaves the other."""
        before = _FORM.unpack(self._page[:])
        self._page[:] = _FORM.pack(
            before[0] if in_flight is None else in_flight, before[1] if passings is None else passings
        )

    def close(self) -> None:
        self._page.close()
