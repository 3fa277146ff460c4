"""Checks the ledger itself: whether it is fit, what it may lose, and what a new primary has lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from provisioning.checks.finding import Level
from provisioning.checks.redis_server import judge_redis, may_lose_writes
from provisioning.errors import LedgerUnfitError
from provisioning.ledger import Claim, Ledger, Restoration
from provisioning.ledger.server import read_facts
from provisioning.observability import log_events
from provisioning.observability.logs import log_event
from worker.execution.recorder import Recorder

DURABILITY = ("redis.role", "redis.persistence")
"""Checks of a Redis that show what a failover and a power cut would lose."""


class LedgerGuard:
    """
    Checks the ledger before the first claim, and restores what a Redis may have lost.

    Args:
        in_hand: the claimed jobs, each with the number of the attempt in progress, or 0.
    """

    def __init__(
        self, ledger: Ledger, recorder: Recorder, in_hand: Callable[[], Sequence[tuple[Claim, int]]]
    ) -> None:
        self._ledger = ledger
        self._recorder = recorder
        self._in_hand = in_hand
        self._is_fit = False
        self._restoring = asyncio.Lock()

    async def make_sure(self) -> None:
        """
        Checks the ledger once before its first use: this worker may have started before Redis.

        Raises: LedgerUnavailableError, LedgerUnfitError, ContractError.
        """
        if not self._is_fit:
            await self._ledger.check()
            await self._look_what_may_be_lost()
            self._is_fit = True

    async def restore(self) -> None:
        """Records again what a Redis that was restarted, or has taken over, may have lost of ours."""
        if self._recorder.to_restore.on:
            async with self._restoring:
                words = await self._recorder.restore(self._in_hand())
            log_event(log_events.PRIMARY_CHANGED, **{str(word): words[word] for word in Restoration})

    async def _look_what_may_be_lost(self) -> None:
        facts = await read_facts(self._ledger)
        self._recorder.to_restore.on = may_lose_writes(facts)
        await self._ledger.expose(self._recorder.to_restore.on)
        for finding in judge_redis(facts):
            if finding.check in DURABILITY and finding.level is Level.WARNING:
                log_event(
                    log_events.LEDGER_EXPOSED, error=LedgerUnfitError(finding.text, hint=finding.way_out)
                )
