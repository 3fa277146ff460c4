"""
The outcome files of a batch: every accepted row in exactly one of four CSV files, and a manifest.

Each has the columns of the body, so that a file can be corrected and applied again, and `outcome.*` columns,
which are ignored when it is read. `created.csv` is readable by its owner only: it holds the widgets' keys.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from producers.files.cells import cells_of, columns_for, csv_line, escape, guard, inert
from provisioning.attempt import Bounds
from provisioning.errors import InvalidInputError, ProvisioningError
from provisioning.ledger import BatchStatus, JobRecord, Ledger
from provisioning.lifecycle import State
from provisioning.printable import printable, printable_json
from provisioning.text import Text

FILES = {
    State.SUCCEEDED: "created.csv",
    State.DEAD: "failed.csv",
    State.IN_DOUBT: "in_doubt.csv",
    # While it is being sent nobody knows; when all has settled there is none.
    State.SENDING: "in_doubt.csv",
    State.QUEUED: "not_attempted.csv",
    State.CLAIMED: "not_attempted.csv",
    State.CANCELLED: "not_attempted.csv",
}
NAMES = tuple(dict.fromkeys(FILES.values()))

_IDENTITY = ("key", "credential", "label")
_OUTCOME = (
    "outcome.job",
    "outcome.row",
    "outcome.state",
    "outcome.reason",
    "outcome.message",
    "outcome.status",
    "outcome.attempts",
    "outcome.least",
    "outcome.most",
    "outcome.certain",
)
_CREATED = ("outcome.widget_id", "outcome.widget_key", "outcome.bot_id", "outcome.created_at")

PAGE = 500


@dataclass(frozen=True, slots=True)
class Export:
    """The batch of the files, their folder and the number of rows of each."""

    batch: str
    folder: Path
    rows: dict[str, int]


async def export(ledger: Ledger, batch: str, folder: Path) -> Export:
    """
    Writes the outcome files of a batch into `folder`, each replaced as a whole.

    Raises:
        ProvisioningError if the ledger's counts do not add up, so that the files would be incomplete.
        InvalidInputError if the folder cannot be written.
    """
    status = await ledger.queries.status(batch)
    if not status.conserved:
        raise ProvisioningError(
            Text(
                "{batch} does not add up: {accepted} accepted, {counted} in states",
                batch=batch,
                accepted=status.accepted,
                counted=sum(status.states.values()),
            ),
            hint="this is a bug: keep the Redis data and report it",
        )
    columns = await _columns(ledger, batch)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            files = {name: stack.enter_context(_CsvFile.open(folder / name)) for name in NAMES}
            for name, file in files.items():
                created = _CREATED if name == "created.csv" else ()
                file.head([*_IDENTITY, *columns, *_OUTCOME, *created])
            bounds: Counter[str] = Counter()
            async for job, body in _rows(ledger, batch):
                files[FILES[job.state]].row(_cells(job, body))
                bounds["least"] += job.bounds.least
                bounds["most"] += job.bounds.most
            rows = {name: file.rows for name, file in files.items()}
            if sum(rows.values()) < status.accepted:
                missing = status.accepted - sum(rows.values())
                raise ProvisioningError(
                    Text(
                        "{missing} of {accepted} jobs of {batch} are not there",
                        missing=missing,
                        accepted=status.accepted,
                        batch=batch,
                    ),
                    hint="keys may have been deleted in Redis; no file was written",
                )
        _write_manifest(folder, status, rows, Bounds(bounds["least"], bounds["most"]))
    except OSError as error:
        raise _unwritable(folder, error) from error
    return Export(batch, folder, rows)


def check_writable(folder: Path) -> None:
    """
    Creates the folder of the outcome files, before anything is sent: an error afterwards would be too late.

    Raises: InvalidInputError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> InvalidInputError:
    return InvalidInputError(
        Text(
            "cannot write the outcome files into {folder} ({strerror})",
            folder=folder,
            strerror=error.strerror,
        ),
        hint="choose another with --to",
    )


async def _rows(ledger: Ledger, batch: str) -> AsyncIterator[tuple[JobRecord, dict[str, Any]]]:
    page: list[JobRecord] = []
    async for job in ledger.queries.jobs(batch):
        page.append(job)
        if len(page) == PAGE:
            for pair in await _with_bodies(ledger, batch, page):
                yield pair
            page = []
    for pair in await _with_bodies(ledger, batch, page):
        yield pair


async def _with_bodies(
    ledger: Ledger, batch: str, page: list[JobRecord]
) -> list[tuple[JobRecord, dict[str, Any]]]:
    bodies = await ledger.queries.bodies(batch, [job.number for job in page])
    return [(job, msgspec.json.decode(body) if body else {}) for job, body in zip(page, bodies, strict=True)]


async def _columns(ledger: Ledger, batch: str) -> list[str]:
    """Headers that hold every body of the batch, in the order in which they are first needed."""
    columns: dict[str, None] = {}
    last = await ledger.queries.last_number(batch)
    for start in range(1, last + 1, PAGE):
        numbers = range(start, min(start + PAGE, last + 1))
        bodies = [msgspec.json.decode(body) for body in await ledger.queries.bodies(batch, numbers) if body]
        columns.update(dict.fromkeys(columns_for(bodies)))
    return list(columns)


def _cells(job: JobRecord, body: Mapping[str, Any]) -> dict[str, str]:
    last = job.attempts[-1] if job.attempts else None
    cells = cells_of(body) | {
        "key": job.key,
        "credential": job.credential,
        "label": guard(job.label),
        "outcome.job": job.job_id,
        "outcome.row": "" if job.row is None else str(job.row),
        "outcome.state": str(job.state),
        "outcome.reason": inert(job.reason),
        "outcome.message": inert(last.message) if last else "",
        "outcome.status": str(last.status) if last and last.status is not None else "",
        "outcome.attempts": str(len(job.attempts)),
        "outcome.least": str(job.bounds.least),
        "outcome.most": str(job.bounds.most),
        "outcome.certain": "yes" if job.bounds in (Bounds(0, 0), Bounds(1, 1)) else "no",
    }
    if job.result:
        cells |= {
            "outcome.widget_id": printable(job.result.widget_id),
            "outcome.widget_key": job.result.key,
            "outcome.bot_id": printable(job.result.bot_id),
            "outcome.created_at": inert(job.result.created_at),
        }
    return cells


class _CsvFile:
    """A CSV file, written next to the one that it replaces; readable by its owner only."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._headers: list[str] = []
        self.rows = 0

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path) -> Iterator[_CsvFile]:
        draft = _draft_of(path)
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        # The BOM is for spreadsheet programs, which take the file for Windows-1252 without it.
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="") as stream:
                yield cls(stream)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def head(self, headers: list[str]) -> None:
        self._headers = headers
        self._stream.write(csv_line(escape(header) for header in headers))

    def row(self, cells: Mapping[str, str]) -> None:
        self._stream.write(csv_line(escape(cells.get(header, "")) for header in self._headers))
        self.rows += 1


def _write_manifest(folder: Path, status: BatchStatus, rows: dict[str, int], bounds: Bounds) -> None:
    manifest = {
        "schema": 1,
        "batch": status.batch,
        "name": status.name,
        "written_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "settled": status.settled,
        "accepted": sum(rows.values()),
        "bounds": {"least": bounds.least, "most": bounds.most},
        "source": status.meta,
        "sources": [msgspec.to_builtins(source) for source in status.sources],
        "files": {name: {"rows": rows[name], "sha256": _sha256(folder / name)} for name in NAMES},
    }
    draft = _draft_of(folder / "manifest.json")
    draft.unlink(missing_ok=True)
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(printable_json(msgspec.json.format(msgspec.json.encode(manifest).decode())) + "\n")
        draft.replace(folder / "manifest.json")
    finally:
        draft.unlink(missing_ok=True)


def _draft_of(path: Path) -> Path:
    """Of this process alone: another may be writing the same files."""
    return path.with_name(f"{path.name}.{os.getpid()}.part")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
