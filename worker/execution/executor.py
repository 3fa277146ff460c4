"""
One job, from its claim to its record: turn → intent → POST → classify → decide → record.

Three separate steps: `classify` finds what happened, `decide` what follows, and a ledger transition records
it. tenacity only loops.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import assert_never

import msgspec

from provisioning.attempt import Attempt, Bounds, Evidence, Outcome, Result
from provisioning.causes import Cause
from provisioning.config.credentials import Credential
from provisioning.ledger import Answered, Claim, Deferral, Intent, Recorded
from provisioning.ledger.schema import Go
from provisioning.lifecycle import UNSETTLED, Event, State
from provisioning.observability.logs import bound
from worker.events.telemetry import Attempted, Ended, Returned, Telemetry
from worker.execution.api import WidgetApi
from worker.execution.brakes import Brakes
from worker.execution.classify import classify
from worker.execution.flow_control import FlowControl
from worker.execution.policy import Decision, Defer, Finish, Halt, Retry, RetryPolicy, decide
from worker.execution.posted import Posted
from worker.execution.recorder import Recorder
from worker.execution.reply import NoAnswer, Reply
from worker.execution.retrying import until_decided
from worker.execution.transport import Wire
from worker.flow.credential_queue import CredentialQueue
from worker.flow.probing import HANDED_BACK

_CHANGE = {
    # What an answer adds to the bounds, which the intent has widened by [0, 1].
    Outcome.CREATED: Bounds(1, 0),
    Outcome.REJECTED: Bounds(0, -1),
    Outcome.DENIED: Bounds(0, -1),
    Outcome.MISDIRECTED: Bounds(0, -1),
    Outcome.UNPROCESSED: Bounds(0, -1),
    Outcome.FAILED: Bounds(0, 0),
    Outcome.IN_DOUBT: Bounds(0, 0),
}


@dataclass(frozen=True, slots=True)
class Lost:
    """The job is no longer this worker's: another has it, or it is queued again after a pause or brake."""


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """
    The worker that has claimed the jobs.

    Attributes:
        target: base address of the API.
        lease: seconds that a claim or an intent lasts.
        stopping: set when the worker shuts down.
    """

    name: str
    target: str
    lease: float
    stopping: asyncio.Event


@dataclass(frozen=True, slots=True)
class Dependencies:
    """
    What all executors of a worker share.

    Attributes:
        policies: the retry policy by a batch's choice for doubts; "" if it has none.
    """

    worker: WorkerContext
    api: WidgetApi
    recorder: Recorder
    policies: dict[str, RetryPolicy]
    flow: FlowControl
    brakes: Brakes
    telemetry: Telemetry


@dataclass(slots=True, eq=False)
class JobExecutor:
    """
    A claimed job.

    Attributes:
        queue: in which it waits for its turn.
        probe: its next POST tests whether the API is still down.
        spent: seconds of its attempts here and of the delays between them; not the waiting for a turn or for
            the end of an outage, which must not use up a job's attempts.
        due: monotonic time before which it must not be retried.
        attempts: POSTs so far, those of other workers included.
        sending: whether a POST may be in flight; then the job is not returned but waits for its answer.
        granted: number of the attempt whose POST may be in flight and whose answer is not recorded; else 0.
        called_off: the reason to return it to the queue, once there is one.
        made: the attempts made here.
    """

    job: Claim
    credential: Credential
    queue: CredentialQueue
    deps: Dependencies
    probe: bool = False
    spent: float = field(default=0.0, init=False)
    due: float = field(default=0.0, init=False)
    attempts: int = field(default=0, init=False)
    sending: bool = field(default=False, init=False)
    granted: int = field(default=0, init=False)
    called_off: str = field(default="", init=False)
    made: list[Attempt] = field(default_factory=list, init=False)

    @property
    def policy(self) -> RetryPolicy:
        """The retry policy of this job."""
        return self.deps.policies[self.job.on_in_doubt]

    def __post_init__(self) -> None:
        self.attempts = self.job.attempts

    @property
    def fresh(self) -> bool:
        """Whether no POST of this job has ever been answered: only such a row shows the state of the API."""
        return self.attempts <= 1 and self.job.most == 0

    async def run(self) -> None:
        """Executes the job to its end, or returns it to the queue if cancelled while nothing is sent."""
        try:
            with bound(job_id=self.job.job_id, batch_id=self.job.batch):
                await until_decided(self._attempt, asyncio.sleep)
        except asyncio.CancelledError:
            if not self.called_off:
                raise
            await self._defer(max(0.0, self.due - time.monotonic()), self.called_off)
        finally:
            self._end_probe(failed=False)

    async def _attempt(self) -> Decision | Lost:
        await self.queue.turn(self.job.batch, urgent=self.job.urgent, probe=self.probe)
        self.sending = True
        try:
            try:
                posted = await self._post()
                # Before the slot is free: the next POST in it must already observe what this answer shows.
                if posted:
                    self.deps.flow.learn(posted, self.job.credential)
                    self._end_probe(failed=posted.classified.alive is False)
            finally:
                self.queue.leave()
            decision = await self._conclude(posted) if posted else Lost()
        finally:
            self.sending = False
        if self.deps.worker.stopping.is_set() and isinstance(decision, Retry):
            await self._defer(decision.delay, "shutdown")
            return Lost()
        if isinstance(decision, Retry):
            self.spent += decision.delay
            self.due = time.monotonic() + decision.delay
        return decision

    async def _post(self) -> Posted | None:
        """Sends it once. Returns: the result; None if it may not be sent."""
        at, asked = time.time(), time.monotonic()
        n = self.attempts + 1
        job = self.job
        grant = await self.deps.recorder.sending(job.batch, Intent(job.number, job.token, n, job.credential))
        if grant.word is Go.HELD:
            self._publish_rest(State.QUEUED, grant.reason)
            self.queue.pace_anew()  # another worker may have learned a new rate
        if grant.word is Go.CANCELLED:
            self._publish_rest(State.CANCELLED, State.CANCELLED)
        if not grant.go:
            if grant.word is not Go.HELD and time.monotonic() - asked > self.deps.worker.lease / 2:
                # Redis was unavailable for so long that an intent which it had recorded, and could not
                # confirm, has lapsed into doubt. Only this worker knows that no byte of that POST was sent.
                self.attempts = n
                await self._withdraw(at, "frozen")
            return None
        self.attempts = self.granted = n
        if no := self._no_longer(asked):
            await self._withdraw(at, no)
            return None
        wire = Wire()
        sent_at, began = time.time(), time.monotonic()
        number = self.queue.refusals.sent(began)
        try:
            reply: Reply = await self.deps.api.create_widget(job.body, self.credential, wire)
        except asyncio.CancelledError:
            if not self.deps.worker.stopping.is_set():
                raise
            seconds = time.monotonic() - began
            reply = NoAnswer(wire.evidence, "shutdown", "the worker had to stop", wire.status, seconds)
        probe = grant.word is Go.PROBE
        classified = classify(reply, time.time())
        return Posted(at, sent_at, began, number, self.fresh, probe, reply, classified)

    def _no_longer(self, asked: float) -> str:
        """
        The reason not to send after all, although the intent is recorded; empty if it may be sent.

        The worker is stopping; or it was frozen for so long that another may have the job; or other answers
        have arrived meanwhile after which nothing may be sent now.
        """
        if self.deps.worker.stopping.is_set():
            return "shutdown"
        if time.monotonic() - asked > self.deps.worker.lease / 2:
            return "frozen"
        if self.deps.flow.slots.closed and not self.probe:
            return HANDED_BACK
        return Cause.RATE_LIMITED if self.queue.relearning else ""

    async def _withdraw(self, at: float, reason: str) -> None:
        """Withdraws an intent of which no byte was sent; it does not count as an attempt."""
        attempt = Attempt(
            n=self.attempts,
            at=round(at, 3),
            seconds=0.0,
            outcome=Outcome.UNPROCESSED,
            evidence=Evidence.NOTHING_SENT,
            error=reason,
            worker=self.deps.worker.name,
        )
        change = _CHANGE[Outcome.UNPROCESSED]
        answer = Answered(
            number=self.job.number,
            token=self.job.token,
            event=Event.REFUSED,
            reason=reason,
            change=change,
            attempt=attempt,
            key=self.job.key,
        )
        self.granted = 0
        recorded = await self.deps.recorder.answered(self.job, answer)
        if recorded.moved:
            self._publish_rest(recorded.state, recorded.reason)

    async def _conclude(self, posted: Posted) -> Decision | Lost:
        reply, classified = posted.reply, posted.classified
        self.spent += reply.seconds
        decision = decide(classified, self.attempts, self.spent, self.policy, random.random)
        if isinstance(decision, Halt):
            await self.deps.brakes.halt(decision, classified, self.job.credential)
        attempt = Attempt(
            n=self.attempts,
            at=round(posted.at, 3),
            seconds=round(reply.seconds, 3),
            outcome=classified.outcome,
            evidence=reply.evidence,
            status=reply.status,
            error=classified.cause,
            message=classified.message,
            next_delay=round(decision.delay, 3) if isinstance(decision, Retry | Defer) else None,
            worker=self.deps.worker.name,
        )
        event, reason = _arrow(decision)
        answer = Answered(
            number=self.job.number,
            token=self.job.token,
            event=event,
            reason=reason,
            change=_CHANGE[classified.outcome],
            attempt=attempt,
            result=classified.result,
            delay=decision.delay if isinstance(decision, Defer) else None,
            key=self.job.key,
        )
        self.granted = 0
        recorded = await self.deps.recorder.answered(self.job, answer)
        if posted.probe:  # only now: the record of a widget has priority
            await self.deps.brakes.report_probe(posted, self.job.credential)
        self._publish(answer, recorded, posted.sent_at)
        return decision if recorded.goes_on or not isinstance(decision, Retry) else Lost()

    def _end_probe(self, *, failed: bool) -> None:
        if self.probe:
            self.probe = False
            self.deps.flow.probing.probe_ended(failed=failed)

    async def _defer(self, delay: float, reason: str) -> None:
        deferral = Deferral(self.job.number, self.job.token, delay, reason)
        recorded = await self.deps.recorder.deferred(self.job.batch, deferral)
        if recorded.moved:
            self._publish_rest(recorded.state, recorded.reason, delay)

    def _publish(self, answer: Answered, recorded: Recorded, sent_at: float) -> None:
        """Publishes the recorded result of a POST, and the state of its job."""
        if not recorded.taken or recorded.state is None:
            return
        attempt = answer.attempt
        if recorded.late:
            attempt = msgspec.structs.replace(attempt, late=True, token=answer.token)
        self.made.append(attempt)
        self.deps.telemetry.publish(Attempted(self.job, attempt, recorded.state, recorded.reason, sent_at))
        if recorded.moved:
            self._publish_rest(recorded.state, recorded.reason, attempt.next_delay or 0.0, answer.result)

    def _publish_rest(
        self, state: State | None, reason: str, delay: float = 0.0, result: Result | None = None
    ) -> None:
        """Publishes that this worker has finished with the job, if it has: back in the queue, or ended."""
        if state is State.QUEUED:
            self.deps.telemetry.publish(Returned(self.job, delay, reason, self.made))
        elif state is not None and state not in UNSETTLED:
            self.deps.telemetry.publish(Ended(self.job, state, reason, self.made, result))


def _arrow(decision: Decision) -> tuple[Event, str]:
    if isinstance(decision, Finish):
        return decision.event, decision.reason
    elif isinstance(decision, Retry | Defer):
        return Event.RETRY_DUE, decision.reason
    elif isinstance(decision, Halt):
        return Event.REFUSED, decision.reason
    else:
        assert_never(decision)
