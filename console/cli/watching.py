"""Watching a batch until it has settled, or until a person is needed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Callable

from console.cli.display.progress import Progress
from producers.submit import Submission
from provisioning.config.settings import Settings
from provisioning.embedded.workplace import LocalWorker
from provisioning.errors import (
    LedgerUnavailableError,
    LedgerUnfitError,
    NotFoundError,
)
from provisioning.ledger import BatchStatus, Ledger, is_felt
from provisioning.lifecycle import UNSETTLED, State
from provisioning.text import Text

POLL = 0.25
"""Seconds between reads of the ledger while a batch settles."""

OWN_LEDGER_TRIES = 5
"""Attempts, a second apart, before checking whether the embedded Valkey still runs."""

RATE_WINDOW = 10.0
"""Seconds over which the shown rate is measured."""

ALONE_AFTER = 5.0
"""Seconds without any worker before a warning: a worker of this command takes one to start."""

START_A_WORKER = Text("no worker is running; start one with: provision worker")

APPLY_AGAIN = Text("nothing is being sent; run the same provision apply again to continue")


def advice() -> Text:
    """What to do if a batch has work and no worker runs."""
    shared = Settings.from_env(os.environ).redis is not None
    return START_A_WORKER if shared else APPLY_AGAIN


async def warn_if_alone(ledger: Ledger, progress: Progress) -> None:
    """Warns if no worker runs to send the submitted jobs."""
    if not await ledger.queries.workers():
        progress.note(START_A_WORKER)


async def watch(
    ledger: Ledger,
    batch: str,
    progress: Progress,
    check_worker: Callable[[], None],
    advice: Text = START_A_WORKER,
    check_ledger: Callable[[], None] = lambda: None,
) -> BatchStatus:
    """
    Waits until a batch has settled, or until only a person can continue it.

    Waits while Redis is unavailable.

    Args:
        check_worker: raises if the command's own worker has ended.
        advice: the text if there is no worker at all.
        check_ledger: called when Redis has been unavailable for some time; raises if it will not come back.
    """
    recent: deque[tuple[float, int]] = deque()
    warned_alone, lost, last = False, 0, "$"
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
                progress.note(Text("Redis is not available; waiting for it"))
            lost += 1
            if lost > OWN_LEDGER_TRIES:
                check_ledger()
            await asyncio.sleep(1.0)
            continue
        lost = 0
        progress.sending(status, _rate(recent, status), limits)
        if status.settled or (status.blocked and not _under_way(status)):
            return status
        if not workers and not warned_alone and time.monotonic() - began > ALONE_AFTER:
            progress.note(advice)
            warned_alone = True
        last = await _news(ledger, batch, last)


async def _news(ledger: Ledger, batch: str, last: str) -> str:
    """Waits for an event of a batch, or until its counts are due. Returns: the id of the last event."""
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
    with contextlib.suppress(NotFoundError):  # it brought nothing new and was discarded
        status = await watch(ledger, submission.batch, progress, check_worker, check_ledger=check_ledger)
    elsewhere = dict.fromkeys((*submission.touched, *submission.awaited))
    others = [
        await watch(ledger, batch, progress, check_worker, check_ledger=check_ledger) for batch in elsewhere
    ]
    return status, others
