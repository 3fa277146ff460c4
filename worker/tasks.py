"""The Celery tasks: each unpacks its message and calls the engine."""

from __future__ import annotations

from provisioning.errors import ContractError
from provisioning.queue import DRAIN, VERSION
from worker import app as running


@running.app.task(name=DRAIN, acks_late=True)  # type: ignore[untyped-decorator]
def drain(v: int, batch: str) -> int:
    """Begins to perform what a batch has ready. Returns: how many jobs this ring brought."""
    if v != VERSION:
        raise ContractError(f"a ring of version {v}; this worker knows version {VERSION}")
    if running.engine is None:
        return 0  # the ring came while the worker starts or stops; every worker looks for itself
    return running.engine.drain(batch)
