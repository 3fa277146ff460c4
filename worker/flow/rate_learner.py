"""Learns a credential's rate from 429s, and stores it in the ledger for all workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

from provisioning.learned_rate import LearnedRate, grown, joined, learn
from provisioning.ledger import KnownRate, Ledger, transitions
from worker.flow.credential_queue import CredentialQueue
from worker.flow.refusals import Burst

TRIES = 10
"""Attempts to write while other workers write too; the next burst or second brings another chance."""

Revise = Callable[[KnownRate], LearnedRate | None]


class RateLearner:
    """
    One worker's part in the rates that all share.

    Args:
        worker: its name, under which its counts are kept.
    """

    def __init__(self, ledger: Ledger, *, worker: str) -> None:
        self._ledger = ledger
        self._worker = worker
        self._known: dict[str, LearnedRate] = {}

    @property
    def rates(self) -> dict[str, float]:
        """Rates in force by credential, POSTs a second."""
        return {name: round(known.rate, 2) for name, known in list(self._known.items()) if known.in_force}

    def is_deaf(self, credential: str) -> bool:
        """Whether recent refusals of this credential were found to be noise."""
        known = self._known.get(credential)
        return known is not None and not known.in_force

    async def learn(self, credential: str, queue: CredentialQueue, burst: Burst) -> None:
        """
        Adjusts the pace to the rate that a burst shows; the caller ensures that no POST starts meanwhile.
        """
        try:
            await self._revise(credential, queue, lambda known: self._learned(known, burst))
        finally:
            queue.relearning = False
            queue.pace_anew()

    async def look(self, queues: Mapping[str, CredentialQueue]) -> None:
        """
        Counts what was sent, lets rates grow, and adopts what other workers have learned. Every second.
        """
        for credential, queue in list(queues.items()):
            if (queue.learned or credential in self._known) and not queue.relearning:
                await self._revise(credential, queue, partial(self._grown, credential, queue))

    def _learned(self, known: KnownRate, burst: Burst) -> LearnedRate | None:
        new = learn(
            known.rate,
            known.now,
            worker=self._worker,
            share=burst.share,
            overall=burst.overall,
            taken=burst.taken,
            seconds=burst.seconds,
            wait=burst.wait,
        )
        return new or known.rate

    def _grown(self, credential: str, queue: CredentialQueue, known: KnownRate) -> LearnedRate | None:
        rate, mine, now = known.rate, self._known.get(credential), time.monotonic()
        if rate is None:
            return None
        if mine is None or mine.since != rate.since:  # another worker had a burst
            taken, seconds = queue.refusals.lately(now)
            more = joined(rate, known.now, worker=self._worker, taken=taken, seconds=seconds)
            return more or rate
        taken, seconds = queue.refusals.taken, queue.refusals.seconds(now)
        return grown(rate, known.now, worker=self._worker, taken=taken, seconds=seconds)

    async def _revise(self, credential: str, queue: CredentialQueue, revise: Revise) -> None:
        known = await self._ledger.do(transitions.learned_rate(credential))
        for _ in range(TRIES):
            new = revise(known)
            if new == known.rate:
                break
            known = await self._ledger.do(transitions.replace_learned_rate(credential, known.raw, new))
            if known.replaced:
                break
        self._adopt(credential, queue, known)

    def _adopt(self, credential: str, queue: CredentialQueue, known: KnownRate) -> None:
        """Applies a rate, and restarts the counts if it is new."""
        before, now = self._known.pop(credential, None), time.monotonic()
        queue.learned = False
        if known.rate is None:
            return
        self._known[credential] = known.rate
        queue.learned = known.rate.in_force
        if before is None or before.since != known.rate.since:
            queue.refusals.begin_anew(now + max(0.0, known.rate.since - known.now))
