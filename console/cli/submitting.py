"""Submits the checked rows of a file to the ledger."""

from __future__ import annotations

import os
from collections.abc import Callable

from console.cli.checking import Checked
from console.cli.display.progress import Progress
from producers.spool import Spool
from producers.submit import Submission, submit
from provisioning.embedded.workplace import Workplace
from provisioning.errors import (
    LedgerUnavailableError,
)
from provisioning.ledger import Ledger
from provisioning.observability import tracing
from provisioning.text import Text


async def hand_over(
    ledger: Ledger,
    place: Workplace,
    checked: Checked,
    jobs: Spool,
    progress: Progress,
    *,
    name: str,
    owner: str,
    on_in_doubt: str | None = None,
    justification: str = "",
    first: int | None = None,
) -> Submission:
    """Records the valid rows of a checked file in the ledger and notifies workers."""
    # Celery takes a tenth of a second to import, which commands that only read should not spend.
    from provisioning.broker.queue import Notifier, make_app

    app = make_app(place.settings)
    tracing.configure(os.environ, program="cli")
    try:
        return await submit(
            ledger,
            jobs,
            name=name,
            owner=owner,
            actor=checked.source.by,
            notify=_unless_away(Notifier(app).notify, progress),
            meta=checked.meta,
            on_in_doubt=on_in_doubt,
            justification=justification,
            source=checked.source,
            first=first,
            on_chunk=progress.submitting,
        )
    finally:
        tracing.close()


def _unless_away(notify: Callable[[str], None], progress: Progress) -> Callable[[str], None]:
    """Notifies until the broker is unavailable: workers find accepted jobs in the ledger anyway."""
    away = False

    def ring_unless_away(batch: str) -> None:
        nonlocal away
        if away:
            return
        try:
            notify(batch)
        except LedgerUnavailableError as error:
            away = True
            progress.note(Text("{problem}; workers will find the batch without it", problem=error.text))

    return ring_unless_away
