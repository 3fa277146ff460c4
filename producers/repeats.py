"""
A key given twice in one file is noticed, however long the file is, in memory that does not grow with it.

The identities are kept as 64-bit hashes in a private database of SQLite. As much of it as fits stays in
memory; beyond that, from some 800 000 rows on, it lies in a temporary file that has no name and goes with us,
20 bytes a row. That any two different keys of a million share a hash has a chance of 3 in 10^8.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence

from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.job import NewJob

HELD = 16 << 20
"""Bytes that stay in memory."""


class Repeats:
    """
    The identities (credential, key) seen so far, each with the row that had it first. One thread at a time.

    Args:
        held: bytes that stay in memory.

    Attributes:
        found: how many jobs had one that was there already, as far as `check` was asked.
    """

    def __init__(self, held: int = HELD) -> None:
        self.found = 0
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute(f"PRAGMA cache_size = -{held >> 10}")
        # Nothing is ever undone, and nobody else looks.
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE seen (hash INTEGER PRIMARY KEY, row INTEGER NOT NULL)")
        self._database.execute("BEGIN")

    def check(self, jobs: Sequence[NewJob]) -> list[InvalidJobError | None]:
        """
        For each job its problem if its identity was there before; None, and noted, if it is the first.

        Args:
            jobs: some hundred at a time cost a tenth of one at a time.

        Raises: InvalidInputError if there is no room for the temporary file.
        """
        named = [(_digest(job), job) for job in jobs]
        try:
            seen = self._seen([digest for digest, _ in named])
            problems, new = [], {}
            for digest, job in named:
                first = seen.get(digest)
                if first is None:
                    seen[digest] = new[digest] = job.row or 0
                problems.append(None if first is None else self._problem(job, first))
            self._database.executemany("INSERT INTO seen VALUES (?, ?)", new.items())
        except sqlite3.OperationalError as error:
            raise InvalidInputError(
                f"the temporary file for the keys seen so far cannot be written: {error}",
                hint="let TMPDIR name a folder with room for 20 bytes a row",
            ) from error
        return problems

    def _seen(self, digests: Sequence[int]) -> dict[int, int]:
        """The rows that gave these identities first."""
        wanted = ",".join("?" * len(digests))
        found = self._database.execute(f"SELECT hash, row FROM seen WHERE hash IN ({wanted})", digests)  # noqa: S608
        return dict(found.fetchall())

    def _problem(self, job: NewJob, first: int) -> InvalidJobError:
        self.found += 1
        where = f"row {first} has it too" if first else "the input has it already"
        return InvalidJobError(
            f"the key is repeated: {where}",
            row=job.row,
            field="key",
            value=job.key,
            hint="one tenant, one widget: remove one of them, or give each a key of its own",
        )

    def close(self) -> None:
        """Lets go of all it knows; `found` stays."""
        self._database.close()


def _digest(job: NewJob) -> int:
    name = f"{job.credential}\x00{job.key}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little", signed=True)
