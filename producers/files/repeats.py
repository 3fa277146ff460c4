"""
A key given twice in one file is noticed, and one that looks like another, however long the file is, in memory
that does not grow with it.

What keys look like (`likeness`) is kept as 64-bit hashes in a private database of SQLite, with a second hash,
of the key itself, where that differs. As much of it as fits stays in memory; beyond that, from some 600 000
rows on, it lies in a temporary file that has no name and goes with us, 26 bytes a row. That any two different
keys of a million share a hash has a chance of 3 in 10^8; that two look-alikes share both, 1 in 10^9.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import unicodedata
from collections.abc import Sequence

from producers.files.body import quoted
from provisioning.errors import InvalidJobError, NoRoomError
from provisioning.job import NewJob
from provisioning.text import Text, plural

HELD = 16 << 20
"""Bytes that stay in memory."""


_BETWEEN = re.compile(
    "[\\s\u058a\u05be\u1400\u1806\u2010-\u2015\u2212\u2e17\u2e1a\u2e3a\u2e3b\u301c\u3030\u30a0-]+"
)
"""Spaces and dashes."""


def likeness(key: str) -> str:
    """
    A key without case, width, spaces and dashes: equal for keys that a person may take for one.

    >>> [likeness(key) for key in ("Café-Norte", "CAFÉ NORTE", "cafe norte")]
    ['cafénorte', 'cafénorte', 'cafenorte']
    """
    if key.isascii():
        # As nearly all are; what is left to do for the others changes nothing here.
        return key.lower().replace("-", "").replace(" ", "")
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", key).casefold())
    return _BETWEEN.sub("", folded)


class Repeats:
    """
    The identities (credential, key) seen so far, each with the row that had it first. One thread at a time.

    Args:
        held: bytes that stay in memory.

    Attributes:
        found: how many jobs had one that was there already, as far as `check` was asked.
        alike: how many had none of those, and yet look like one.
    """

    def __init__(self, held: int = HELD) -> None:
        self.found = self.alike = 0
        self._example: Text | None = None
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute(f"PRAGMA cache_size = -{held >> 10}")
        # Nothing is ever undone, and nobody else looks.
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        # The first of each likeness; `name` is 0 where the key is its own likeness, which takes no room.
        self._database.execute(
            "CREATE TABLE seen (hash INTEGER PRIMARY KEY, name INTEGER NOT NULL, row INTEGER NOT NULL)"
        )
        # The others of it, by the hash of the key itself.
        self._database.execute("CREATE TABLE alike (hash INTEGER PRIMARY KEY, row INTEGER NOT NULL)")
        self._database.execute("BEGIN")

    @property
    def notes(self) -> list[Text]:
        """What a person should know of the keys, with an example."""
        if not self.alike:
            return []
        return [
            plural(
                "1 key looks like another: {example}; each is a tenant of its own",
                "{count:,} keys look like another: {example}; each is a tenant of its own",
                self.alike,
                example=self._example,
            )
        ]

    def check(self, jobs: Sequence[NewJob]) -> list[InvalidJobError | None]:
        """
        For each job its problem if its identity was there before; None, and noted, if it is the first.

        Args:
            jobs: some hundred at a time cost a tenth of one at a time.

        Raises: NoRoomError if there is no room for the temporary file.
        """
        try:
            return self._check([(*_names(job), job) for job in jobs])
        except sqlite3.OperationalError as error:
            raise NoRoomError(Text("the keys seen so far"), error) from error

    def _check(self, named: Sequence[tuple[int, int, NewJob]]) -> list[InvalidJobError | None]:
        seen = self._seen([digest for digest, _, _ in named])
        problems: list[InvalidJobError | None] = []
        new = []
        for digest, name, job in named:
            first = seen.get(digest)
            if first is None:
                seen[digest] = first = (digest, name, job.row or 0)
                new.append(first)
                problems.append(None)
            elif first[1] == name:
                problems.append(self._problem(job, first[2]))
            else:
                problems.append(self._look_alike(job, first[2]))
        self._database.executemany("INSERT INTO seen VALUES (?, ?, ?)", new)
        return problems

    def _seen(self, digests: Sequence[int]) -> dict[int, tuple[int, int, int]]:
        """Hash, name and row of the first of each of these likenesses."""
        wanted = ",".join("?" * len(digests))
        found = self._database.execute(f"SELECT * FROM seen WHERE hash IN ({wanted})", digests)  # noqa: S608
        return {first[0]: first for first in found.fetchall()}

    def _look_alike(self, job: NewJob, first: int) -> InvalidJobError | None:
        """The problem of a job that looks like that of a row; None if it is not that of yet another row."""
        digest = _digest(job.credential, job.key)
        found = self._database.execute("SELECT row FROM alike WHERE hash = ?", (digest,)).fetchone()
        if found:
            return self._problem(job, found[0])
        self._database.execute("INSERT INTO alike VALUES (?, ?)", (digest, job.row or 0))
        self.alike += 1
        if not self._example:
            like = Text("that of row {row}", row=first) if first else Text("an earlier one")
            key = quoted(job.key)
            self._example = (
                Text("row {row} is {key}, like {like}", row=job.row, key=key, like=like)
                if job.row
                else Text("{key}, like {like}", key=key, like=like)
            )
        return None

    def _problem(self, job: NewJob, first: int) -> InvalidJobError:
        self.found += 1
        where = Text("row {first} has it too", first=first) if first else Text("the input has it already")
        return InvalidJobError(
            Text("the key is repeated: {where}", where=where),
            row=job.row,
            field="key",
            value=job.key,
            hint="one tenant, one widget: remove one of them, or give each a key of its own",
        )

    def close(self) -> None:
        """Lets go of all it knows; `found` and `notes` stay."""
        self._database.close()


def _names(job: NewJob) -> tuple[int, int]:
    """The hash of what a job's identity looks like, and its own name under that: 0 if it looks as it is."""
    looks = likeness(job.key)
    digest = _digest(job.credential, looks)
    # Of 31 bits, so that SQLite stores four bytes of it. Nobody but this process compares it.
    return digest, 0 if looks == job.key else (hash(job.key) & 0x7FFF_FFFE) + 1


def _digest(credential: str, key: str) -> int:
    name = f"{credential}\x00{key}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little", signed=True)
