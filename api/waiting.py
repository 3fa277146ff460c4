"""
Waiting for the ledger: a server that starts before its Redis waits for it, as a worker does.

Requests are refused meanwhile with 503 and `Retry-After`; `/healthz` answers, `/readyz` reports not ready.
"""

from __future__ import annotations

import asyncio
import contextlib

from provisioning.errors import LedgerUnavailableError, ProvisioningError
from provisioning.ledger import Ledger
from provisioning.observability.log_events import LEDGER_LOST
from provisioning.observability.logs import log_event

LOOK_EVERY = 0.5
"""Seconds between attempts to reach Redis."""

LOG_EVERY = 60
"""Attempts per log line: twice a minute."""


async def wait_for(ledger: Ledger, fit: asyncio.Event, closing: asyncio.Event) -> None:
    """Sets `fit` once the ledger has answered and this program may write to it; then ends."""
    looks = 0
    while not closing.is_set():
        try:
            await ledger.check()
        except ProvisioningError as error:
            if looks % LOG_EVERY == 0:
                log_event(LEDGER_LOST, doing="serve", delay_s=LOOK_EVERY, error=error)
        else:
            fit.set()
            return
        looks += 1
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(closing.wait(), LOOK_EVERY)


async def make_sure(ledger: Ledger) -> None:
    """Raises: LedgerUnfitError, ContractError if waiting would not help; not if Redis is only unavailable."""
    try:
        await ledger.check()
    except LedgerUnavailableError as error:
        if type(error) is not LedgerUnavailableError:
            raise
