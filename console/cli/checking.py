"""A file read to its end before anything is sent: what applying it would do."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from console.cli.display.progress import Progress
from console.cli.person import current_user
from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from producers.plan import Plan, make_plan
from producers.spool import Spool
from provisioning.config.credentials import load_credentials
from provisioning.embedded.workplace import Workplace
from provisioning.errors import (
    ConfigurationError,
    InvalidInputError,
    InvalidJobError,
)
from provisioning.ledger import Ledger, SourceFile
from provisioning.pace import Rate
from provisioning.text import Text


def known_credentials(place: Workplace) -> frozenset[str] | None:
    """
    Names of the credentials that rows may use; None if only the workers have them.

    Raises: ConfigurationError if this command would start the worker and there is no credential.
    """
    if not place.embedded:
        return None
    names = frozenset(load_credentials(place.settings))
    if not names:
        raise ConfigurationError(
            "there are no credentials for the API",
            hint="set PROVISION_CLIENT_ID and PROVISION_CLIENT_SECRET, or PROVISION_CREDENTIALS_FILE",
        )
    return names


@dataclass(frozen=True, slots=True)
class Checked:
    """A completely read file: what applying it would do, and its name and hash, for the manifest."""

    plan: Plan
    source: SourceFile

    @property
    def meta(self) -> dict[str, str]:
        """The facts that a new batch stores about it, for people."""
        return {"source": self.source.name, "sha256": self.source.sha256, "by": self.source.by}


async def check(
    ledger: Ledger,
    file: Path,
    options: ReadOptions,
    progress: Progress,
    *,
    rate: Rate,
    known: frozenset[str] | None,
    owner: str,
    accept_duplicates: bool = False,
    leave_ended: bool = False,
    spool: Spool | None = None,
    on_problem: Callable[[InvalidJobError], None] | None = None,
) -> Checked:
    """Checks the whole file and its jobs in the ledger; sends nothing. `spool` stores the valid rows."""
    await ledger.check()
    before = _stamp(file)
    stop = Event()
    try:
        opened = await asyncio.to_thread(Reading, file, options, stop)
    except asyncio.CancelledError:
        stop.set()
        raise
    with opened as reading:
        plan = await make_plan(
            ledger,
            reading,
            rate=rate,
            known_credentials=known,
            accept_duplicates=accept_duplicates,
            leave_ended=leave_ended,
            owner=owner,
            spool=spool,
            on_problem=on_problem,
            on_chunk=progress.checking,
            stop=stop,
        )
        if _stamp(file) != before:
            raise InvalidInputError(
                Text("{name} changed while it was read; nothing was submitted", name=reading.name),
                hint="wait until nothing writes to it, then run the same command again",
            )
        for note in (*reading.notes, *plan.notes):
            progress.note(Text("note: {text}", text=note))
        return Checked(plan, SourceFile(reading.name, reading.sha256, reading.rows, current_user()))


def _stamp(file: Path) -> tuple[int, int] | None:
    """Size and time of the last change; None for standard input, pipes, and missing files."""
    try:
        found = file.stat()
    except OSError:
        return None
    # A pipe changes by being read.
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None
