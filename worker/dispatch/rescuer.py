"""
The rescuer: settles the leases of workers that stopped responding. It runs on every worker, without a lock.

Each expired lease is settled in Redis by the first worker that finds it; any number may look at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Literal

from provisioning.ledger import Ledger, Rescue, transitions
from provisioning.ledger.scripts import Call
from worker.events.telemetry import Lapsed, Telemetry


class Rescuer:
    """
    Settles expired leases.

    Args:
        on_in_doubt: what to do with a job whose POST may have created a widget, unless its batch has its own
            choice.
        attempts: a job with so many is in doubt even if doubts are retried.
    """

    def __init__(
        self, ledger: Ledger, telemetry: Telemetry, *, on_in_doubt: Literal["hold", "retry"], attempts: int
    ) -> None:
        self._ledger = ledger
        self._telemetry = telemetry
        self._on_in_doubt = on_in_doubt
        self._attempts = attempts

    async def run_once(self, batches: Sequence[str]) -> AsyncIterator[str]:
        """Settles expired leases in these batches. Yields: the batches with jobs ready to be claimed."""
        rescues = await self._ledger.do_all([self._call(batch) for batch in batches])
        for batch, first in zip(batches, rescues, strict=True):
            settled = first
            while settled.jobs:
                self._publish(batch, settled)
                if len(settled.jobs) < transitions.RESCUED:
                    break
                settled = await self._ledger.do(self._call(batch))
            if settled.ready:
                yield batch

    def _call(self, batch: str) -> Call[Rescue]:
        return transitions.rescue(batch, on_in_doubt=self._on_in_doubt, attempts=self._attempts)

    def _publish(self, batch: str, settled: Rescue) -> None:
        for job in settled.jobs:
            self._telemetry.publish(Lapsed(batch, job.number, job.state, job.key, job.row, job.worker))
