"""
A key given twice in one file is noticed, in the memory of a few bytes a row.

A table of 64-bit hashes and row numbers with open addressing: 32 to 64 bytes a row, where a set of strings
needs 150. That any two different keys of a million share a hash has a chance of 3 in 10^8.
"""

from __future__ import annotations

import hashlib
from array import array

from provisioning.errors import InvalidJobError
from provisioning.job import NewJob

_FIRST_SIZE = 1 << 12


class Repeats:
    """
    The identities (credential, key) seen so far, each with the row that had it first.

    Attributes:
        found: how many jobs had one that was there already, as far as `check` was asked.
    """

    def __init__(self) -> None:
        self.found = 0
        self._size = _FIRST_SIZE
        self._count = 0
        self._hashes = array("Q", bytes(8 * self._size))
        self._rows = array("Q", bytes(8 * self._size))

    def first_row(self, job: NewJob) -> int | None:
        """The row (0 if it had none) that gave this identity first; None, and noted, if this one does."""
        name = f"{job.credential}\x00{job.key}".encode()
        digest = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little") or 1
        slot = self._slot(digest)
        if self._hashes[slot]:
            return self._rows[slot]
        self._hashes[slot] = digest
        self._rows[slot] = job.row or 0
        self._count += 1
        if self._count * 2 > self._size:
            self._grow()
        return None

    def check(self, job: NewJob) -> InvalidJobError | None:
        """The problem of a job whose identity the file already gave; None if this is the first."""
        first = self.first_row(job)
        if first is None:
            return None
        self.found += 1
        where = f"row {first} has it too" if first else "the input has it already"
        return InvalidJobError(
            f"the key is repeated: {where}",
            row=job.row,
            field="key",
            value=job.key,
            hint="one tenant, one widget: remove one of them, or give each a key of its own",
        )

    def _slot(self, digest: int) -> int:
        mask = self._size - 1
        hashes = self._hashes
        slot = digest & mask
        while hashes[slot] and hashes[slot] != digest:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        hashes, rows = self._hashes, self._rows
        self._size *= 2
        self._hashes = array("Q", bytes(8 * self._size))
        self._rows = array("Q", bytes(8 * self._size))
        for digest, row in zip(hashes, rows, strict=True):
            if digest:
                slot = self._slot(digest)
                self._hashes[slot] = digest
                self._rows[slot] = row
