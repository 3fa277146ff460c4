"""The Celery tasks: each unpacks its message and calls the engine."""

from __future__ import annotations

from provisioning.errors import LedgerUnavailableError
from provisioning.messages import DRAIN
from provisioning.observability.log_events import LEDGER_LOST
from provisioning.observability.logs import log_event
from worker.process.app import app, running


@app.task(name=DRAIN, acks_late=True)  # type: ignore[untyped-decorator]
def drain(v: int, batch: str) -> int:  # noqa: ARG001 - the consumer has checked the version
    """Starts to execute what a batch has ready. Returns: how many jobs were claimed."""
    process = running()
    if process is None:
        return 0  # the worker is still starting; every worker also checks for work by itself
    try:
        return process.engine.drain(batch)
    except LedgerUnavailableError as error:
        log_event(LEDGER_LOST, doing="drain", error=error)
        return 0  # every worker checks for work by itself, once the ledger is available
