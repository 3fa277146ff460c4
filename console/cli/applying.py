"""
`provision apply`: check the file, hand it over, watch it settle, write the outcome files.

It may be ended at any line. The ledger has what was handed over, and the same command goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import socket
import stat
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

from console.cli.display.progress import Progress
from producers.batch_name import check_batch_name
from producers.files.file_kinds import bare_name
from producers.files.reading import Reading, ReadOptions
from producers.plan import Plan, make_plan
from producers.spool import Spool
from producers.submit import Submission, submit
from provisioning.config.credentials import load_credentials
from provisioning.embedded.workplace import LocalWorker, Workplace
from provisioning.errors import (
    ConfigurationError,
    InvalidInputError,
    InvalidJobError,
    LedgerUnavailableError,
    LedgerUnfitError,
    NotFoundError,
)
from provisioning.ledger import BatchStatus, Ledger, SourceFile, is_felt
from provisioning.lifecycle import UNSETTLED, State
from provisioning.observability import tracing
from provisioning.pace import Rate

POLL = 0.25
"""Seconds between looks at the ledger while a batch settles."""

PATIENCE_WITH_OWN = 5
"""Tries, a second apart, before we ask whether an embedded Valkey is there at all."""

RATE_WINDOW = 10.0
"""Seconds over which the shown rate is taken."""

ALONE_AFTER = 5.0
"""Seconds of watching without any worker before we say so: our own takes one to start."""

START_A_WORKER = "no worker is running; start one with: provision worker"
APPLY_AGAIN = "nothing is being sent; run the same provision apply again to continue"


def known_credentials(place: Workplace) -> frozenset[str] | None:
    """
    Names of the credentials that rows may use; None where only the workers know.

    Raises: ConfigurationError if the worker would be ours and there is none.
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
    """A file that was read to its end: what applying it would do, and what it was, for the manifest."""

    plan: Plan
    source: SourceFile

    @property
    def meta(self) -> dict[str, str]:
        """What a new batch keeps of it, for people."""
        return {"source": self.source.name, "sha256": self.source.sha256, "by": self.source.by}


async def check(
    ledger: Ledger,
    file: Path,
    options: ReadOptions,
    progress: Progress,
    *,
    rate: Rate,
    known: frozenset[str] | None,
    accept_duplicates: bool = False,
    spool: Spool | None = None,
    on_problem: Callable[[InvalidJobError], None] | None = None,
) -> Checked:
    """Judges the whole file and asks the ledger about it; sends nothing. `spool` keeps the good rows."""
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
            spool=spool,
            on_problem=on_problem,
            on_chunk=progress.checking,
            stop=stop,
        )
        if _stamp(file) != before:
            raise InvalidInputError(
                f"{reading.name} changed while it was read; nothing was submitted",
                hint="wait until nothing writes to it, then run the same command again",
            )
        for note in (*reading.notes, *plan.notes):
            progress.note(f"note: {note}")
        return Checked(plan, SourceFile(reading.name, reading.sha256, reading.rows, who()))


async def hand_over(
    ledger: Ledger,
    place: Workplace,
    checked: Checked,
    jobs: Spool,
    progress: Progress,
    *,
    name: str,
    on_in_doubt: str | None = None,
    because: str = "",
) -> Submission:
    """Records the good rows of a checked file in the ledger and rings for them."""
    # Celery takes a tenth of a second to import, which the verbs that only look need not spend.
    from provisioning.broker.queue import Notifier, make_app

    app = make_app(place.settings)
    tracing.configure(os.environ, program="cli")
    try:
        return await submit(
            ledger,
            jobs,
            name=name,
            who=checked.source.by,
            ring=_unless_away(Notifier(app).ring, progress),
            meta=checked.meta,
            on_in_doubt=on_in_doubt,
            because=because,
            source=checked.source,
            on_chunk=progress.submitting,
        )
    finally:
        tracing.close()


def _stamp(file: Path) -> tuple[int, int] | None:
    """Size and time of the last change; None for standard input, pipes, and what is not there."""
    try:
        found = file.stat()
    except OSError:
        return None
    # A pipe changes by being read.
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def _unless_away(ring: Callable[[str], None], progress: Progress) -> Callable[[str], None]:
    """Rings until the broker is away: what is in the ledger is accepted, and workers find it themselves."""
    away = False

    def ring_unless_away(batch: str) -> None:
        nonlocal away
        if away:
            return
        try:
            ring(batch)
        except LedgerUnavailableError as error:
            away = True
            progress.note(f"{error.message}; workers will find the batch without it")

    return ring_unless_away


async def warn_if_alone(ledger: Ledger, progress: Progress) -> None:
    """Says so if no worker is there to send what was handed over."""
    if not await ledger.queries.workers():
        progress.note(START_A_WORKER)


async def watch(
    ledger: Ledger,
    batch: str,
    progress: Progress,
    check_worker: Callable[[], None],
    advice: str = START_A_WORKER,
    check_ledger: Callable[[], None] = lambda: None,
) -> BatchStatus:
    """
    Waits until a batch has settled, or until nothing but a person can move it.

    A Redis that is away is waited for.

    Args:
        check_worker: raises if the worker that should do it is gone.
        advice: what to say where there is no worker at all.
        check_ledger: asked when Redis has been away for some time; raises if it will not come back.
    """
    recent: deque[tuple[float, int]] = deque()
    told_alone, lost, last = False, 0, "$"
    began = time.monotonic()
    while True:
        check_worker()
        try:
            status = await ledger.queries.status(batch)
            workers = await ledger.queries.workers()
            limits = [limit for limit in await ledger.queries.limits(workers) if is_felt(limit)]
        except LedgerUnfitError:
            raise  # waiting does not help
        except LedgerUnavailableError:
            if not lost:
                progress.note("Redis is not available; waiting for it")
            lost += 1
            if lost > PATIENCE_WITH_OWN:
                check_ledger()
            await asyncio.sleep(1.0)
            continue
        lost = 0
        progress.sending(status, _rate(recent, status), limits)
        if status.settled or (status.blocked and not _under_way(status)):
            return status
        if not workers and not told_alone and time.monotonic() - began > ALONE_AFTER:
            progress.note(advice)
            told_alone = True
        last = await _news(ledger, batch, last)


async def _news(ledger: Ledger, batch: str, last: str) -> str:
    """Waits until something happens to a batch, or its counts want a look. Returns: what was seen last."""
    until = time.monotonic() + POLL
    with contextlib.suppress(LedgerUnavailableError):
        while (left := until - time.monotonic()) > 0:
            for event in await ledger.events.wait(last, left):
                last = event.id
                if event.batch == batch:
                    return last
        return last
    await asyncio.sleep(POLL)
    return last


def _rate(recent: deque[tuple[float, int]], status: BatchStatus) -> float:
    now = time.monotonic()
    ended = status.accepted - sum(status.states[state] for state in UNSETTLED)
    recent.append((now, ended))
    while len(recent) > 2 and recent[0][0] < now - RATE_WINDOW:
        recent.popleft()
    then, before = recent[0]
    return (ended - before) / (now - then) if now > then else 0.0


def _under_way(status: BatchStatus) -> int:
    return status.states[State.CLAIMED] + status.states[State.SENDING]


async def follow(
    ledger: Ledger,
    submission: Submission,
    progress: Progress,
    worker: LocalWorker | None,
) -> tuple[BatchStatus | None, list[BatchStatus]]:
    """Watches the batch, and the others in which its jobs are, until they have settled."""

    def check_worker() -> None:
        if worker:
            worker.check()

    def check_ledger() -> None:
        if worker:
            worker.check_ledger()

    status = None
    with contextlib.suppress(NotFoundError):  # it brought nothing new and was taken back
        status = await watch(ledger, submission.batch, progress, check_worker, check_ledger=check_ledger)
    elsewhere = dict.fromkeys((*submission.touched, *submission.awaited))
    others = [
        await watch(ledger, batch, progress, check_worker, check_ledger=check_ledger) for batch in elsewhere
    ]
    return status, others


def folders_for(own: BatchStatus | None, others: list[BatchStatus], to: Path | None) -> dict[str, Path]:
    """
    Where the outcome files of each batch go: `to` for the one that was asked for, else NAME.outcomes.

    Where the file only queued jobs of another batch again, that batch is the one that was asked for.
    """
    batches = [status for status in (own, *others) if status]
    folders = {status.batch: Path(folder_name(status.name)) for status in batches}
    if to and batches:
        folders[batches[0].batch] = to
    return folders


def folder_name(name: str) -> str:
    """`tenants.outcomes` for the batch `tenants`: one folder, here, whatever is in the name."""
    return name.replace("/", "_").replace("\\", "_") + ".outcomes"


def batch_name(file: str) -> str:
    """
    The name a batch gets from its file: `tenants.may` from `data/tenants.may.csv.gz`.

    Raises: InvalidInputError if nothing is left to name it by, or no batch may be called so.
    """
    path = urlsplit(file).path if "://" in file else file
    # `/dev/stdin` is what `-` is; `/dev/fd/63` is what a shell gives for `<(…)`: a number that means nothing.
    name = "stdin" if file.startswith(("/dev/", "/proc/")) or file == "-" else bare_name(path)
    if not name:
        raise InvalidInputError(f"{file} gives the batch no name", hint="name the batch with --name")
    try:
        return check_batch_name(name)
    except InvalidInputError as error:
        hint = "choose another name with --name; the outcome files use it"
        raise InvalidInputError(f"{file} gives the batch no name: {error.message}", hint=hint) from error


def who() -> str:
    """The person at this terminal, for the ledger's story."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):
        return socket.gethostname()
