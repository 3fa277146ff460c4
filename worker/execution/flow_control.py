"""Adjusts to each answer: the concurrency limit, the outage detection and the learned rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any

from provisioning.attempt import Outcome
from worker.execution.posted import Posted
from worker.flow.concurrency_limit import ConcurrencyLimit
from worker.flow.credential_queue import ConcurrencySlots
from worker.flow.probing import Probing
from worker.flow.queues import CredentialQueues
from worker.flow.rate_learner import RateLearner

PUSHED_BACK = frozenset({Outcome.UNPROCESSED, Outcome.FAILED, Outcome.IN_DOUBT})
"""Outcomes that may be signs of load; 500 and 502 are none."""

SHOWS_A_RATE = (8, 0.3)
"""So many 429s within a second, and this share of the POSTs since the first of them, show a rate limit."""

SHOWS_ANOTHER_RATE = (3, 0.1)
"""The same while a learned rate is in use."""

COOL_DOWN = 1.0
"""Seconds in which a circuit breaker is certainly recorded, if Redis is available."""

InBackground = Callable[[str, Coroutine[Any, Any, None]], None]
"""Runs a task that no caller awaits; the name is used to log a failure."""


class FlowControl:
    """
    The flow control of one worker, which all its executors share.

    Args:
        retry_after_cap: seconds; a longer `Retry-After` counts as so many.

    Attributes:
        slots: the POSTs in flight, up to a limit that answers raise and lower.
        queues: by credential, the jobs that wait for their turn.
        probing: keeps all but probes back while the API is suspected to be down.
        learner: the rates learned from 429s.
    """

    def __init__(
        self,
        slots: ConcurrencySlots,
        queues: CredentialQueues,
        probing: Probing,
        learner: RateLearner,
        *,
        retry_after_cap: float,
        in_background: InBackground,
    ) -> None:
        self.slots = slots
        self.queues = queues
        self.probing = probing
        self.learner = learner
        self._retry_after_cap = retry_after_cap
        self._in_background = in_background

    @property
    def limit(self) -> ConcurrencyLimit:
        """How many POSTs the API can serve at once."""
        return self.slots.limit

    def learn(self, posted: Posted, credential: str) -> None:
        """Adjusts limit, suspicion and rate to an answer, or the lack of one."""
        reply, classified = posted.reply, posted.classified
        pushed_back = classified.outcome in PUSHED_BACK and reply.status not in (500, 502)
        slots = self.slots
        slots.limit.see(time.monotonic(), reply.seconds, pushed_back=pushed_back, in_flight=slots.taken)
        self.probing.see(classified, fresh=posted.fresh, sent_at=posted.began)
        if reply.status == 429:
            self._count_refusal(posted, credential)
        # No POST starts until the circuit breaker for this answer is certainly recorded.
        if classified.outcome is Outcome.DENIED:
            self.queues[credential].hold_off(COOL_DOWN)
        elif classified.outcome is Outcome.MISDIRECTED:
            slots.hold_off(COOL_DOWN)

    async def update_rates(self) -> None:
        """Lets learned rates grow, and reads those that other workers have learned. Every second."""
        await self.learner.look(self.queues)

    def _count_refusal(self, posted: Posted, credential: str) -> None:
        queue = self.queues[credential]
        least, share = SHOWS_ANOTHER_RATE if queue.learned else SHOWS_A_RATE
        burst = queue.refusals.refused(
            posted.number,
            posted.began,
            min(posted.classified.retry_after or 0.0, self._retry_after_cap),
            least=least,
            share=share,
            paced=queue.learned,
        )
        if burst and not queue.relearning and not self.learner.is_deaf(credential):
            queue.relearning = True  # now, not only when the task begins
            self._in_background("learn", self.learner.learn(credential, queue, burst))
