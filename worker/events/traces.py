"""
Traces what a worker does: the listener that turns telemetry events into spans.

A claimed job is one span, `claim`, a child of the span of its submission; its children are the POSTs and the
recording of each result, `record`. A job whose trace is not sampled costs nothing.
"""

from __future__ import annotations

import time
from typing import Final

from provisioning.attempt import Outcome
from provisioning.ledger import Claim
from provisioning.lifecycle import State
from provisioning.observability.tracing import Span, Tracer, is_sampled
from worker.events.telemetry import Attempted, Claimed, Ended, Returned, TelemetryEvent

MOST: Final = 20_000
"""Most open spans of jobs: twice what a worker holds. The oldest beyond are ended as lost."""

_BAD: Final = frozenset([State.DEAD, State.IN_DOUBT])


class Traces:
    """Creates the spans of one worker."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: dict[tuple[str, int], Span] = {}  # by batch and token, the oldest first

    def listen(self, event: TelemetryEvent) -> None:
        """Adds an event to its trace."""
        if isinstance(event, Claimed):
            self._claimed(event.job)
        elif isinstance(event, Attempted):
            self._attempted(event)
        elif isinstance(event, Ended):
            self._rested(event.job, event.state, event.reason)
        elif isinstance(event, Returned):
            self._rested(event.job, State.QUEUED, event.reason)

    def _claimed(self, job: Claim) -> None:
        if not is_sampled(job.trace):
            return
        self._open[job.batch, job.token] = self._tracer.start(
            "claim",
            "consumer",
            job.trace,
            job_id=job.job_id,
            batch_id=job.batch,
            row=job.row,
            credential=job.credential,
        )
        while len(self._open) > MOST:
            self._open.pop(next(iter(self._open))).end(failed="lost")

    def _attempted(self, event: Attempted) -> None:
        claim = self._open.get((event.job.batch, event.job.token))
        if claim is None:
            return
        attempt, parent = event.attempt, claim.traceparent
        began = event.sent_at or attempt.at
        answered = began + attempt.seconds
        post = self._tracer.start(
            "POST",
            "client",
            parent,
            at=began,
            method="POST",
            status=attempt.status,
            job_id=event.job.job_id,
            attempt=attempt.n,
            outcome=attempt.outcome,
            evidence=attempt.evidence,
            cause=attempt.error or None,
            delay_s=attempt.next_delay,
        )
        good = attempt.outcome is Outcome.CREATED
        post.end(at=answered, failed="" if good else attempt.error or str(attempt.outcome))
        record = self._tracer.start("record", "internal", parent, at=answered, state=event.state)
        record.end(at=max(answered, time.time()))
        if attempt.late:  # whether or not it changed the state, this worker does not have the job any more
            self._rested(event.job, event.state, event.reason)

    def _rested(self, job: Claim, state: State, reason: str) -> None:
        claim = self._open.pop((job.batch, job.token), None)
        if claim is not None:
            claim.add(state=state, cause=reason)
            claim.end(failed=reason if state in _BAD else "")
