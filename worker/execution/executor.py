"""
One job, from its claim to its record: turn → intent → POST → classify → decide → record.

Three questions in three places: `classify` says what happened, `decide` says what now, a ledger
transition writes it down. tenacity only loops.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import assert_never

import msgspec

from provisioning import scopes
from provisioning.attempt import Attempt, Bounds, Evidence, Outcome, Result
from provisioning.causes import Cause
from provisioning.config.credentials import Credential
from provisioning.ledger import Answered, Claim, Deferral, Intent, Recorded, Shown
from provisioning.ledger.schema import Go
from provisioning.lifecycle import UNSETTLED, Event, State
from provisioning.observability.logs import bound
from worker.classification import Classification
from worker.events.telemetry import Attempted, Ended, Returned, Telemetry
from worker.execution.api import WidgetApi
from worker.execution.classify import classify
from worker.execution.policy import Decision, Defer, Finish, Halt, Retry, RetryPolicy, decide
from worker.execution.recorder import Recorder
from worker.execution.reply import NoAnswer, Reply
from worker.execution.retrying import until_decided
from worker.execution.transport import Wire
from worker.flow.credential_queue import ConcurrencySlots, CredentialQueue
from worker.flow.limit import ConcurrencyLimit
from worker.flow.probing import HANDED_BACK, Probing
from worker.flow.refusals import Burst

Brake = Callable[[str, str, str], Awaitable[None]]
"""Puts a brake on a scope: the cause, and the sentence that says why."""

Tried = Callable[[str, Shown], Awaitable[None]]
"""Tells a scope's brake what a job has shown that was let through it."""

Refused = Callable[[str, Burst], None]
"""Has a credential's rate learned from a burst of 429s."""

PUSHED_BACK = frozenset({Outcome.UNPROCESSED, Outcome.FAILED, Outcome.IN_DOUBT})
"""Outcomes that may be signs of load; 500 and 502 are none."""

SHOWS_A_RATE = (8, 0.3)
"""So many 429s within a second, and that share of the POSTs from the first of them, show a rate."""

SHOWS_ANOTHER_RATE = (3, 0.1)
"""The same where a rate is kept already that 429s have taught."""

STAND_BACK = 1.0
"""Seconds in which a brake is surely on, a Redis that answers supposed."""

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
class Posted:
    """
    One POST that was made.

    Attributes:
        at: Unix seconds when it was intended.
        sent_at, began: when it began; Unix and monotonic seconds.
        reply, classified: what came back, and what that means.
    """

    at: float
    sent_at: float
    began: float
    reply: Reply
    classified: Classification


@dataclass(frozen=True, slots=True)
class Lost:
    """The job is no longer ours: another worker's, or queued again behind a pause or brake."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """
    What every performance on this worker shares.

    Attributes:
        policies: the retry policy by what a batch chooses to do in doubt; "" where it chooses nothing.
        stopping: set when the worker shuts down.
    """

    api: WidgetApi
    recorder: Recorder
    policies: dict[str, RetryPolicy]
    worker: str
    target: str
    lease: float
    brake: Brake
    tried: Tried
    refused: Refused
    probing: Probing
    limit: ConcurrencyLimit
    slots: ConcurrencySlots
    stopping: asyncio.Event
    telemetry: Telemetry


@dataclass(slots=True, eq=False)
class JobExecutor:
    """
    A job in hand.

    Attributes:
        sending: whether a POST may be on its way; then it is not called off but answered.
        spent: seconds that its attempts here took, and the delays chosen between them; not the waiting for
            a turn or for the end of an outage, which is our doing and must not cost a job its attempts.
        due: monotonic time before which it is not to be tried again.
        trial: whether the last POST was let through a brake, to try.
        probe: its next POST asks whether the API is still down.
        number: of its last POST among those of its credential (`Refusals.sent`).
        called_off: why it goes back to the queue, once it is to.
        made: the attempts of this performance.
        granted: number of the attempt whose POST may be on its way and of which nothing is said yet; else 0.
    """

    job: Claim
    credential: Credential
    line: CredentialQueue
    deps: Dependencies
    spent: float = 0.0
    due: float = 0.0
    attempts: int = 0
    sending: bool = False
    trial: bool = False
    probe: bool = False
    number: int = 0
    granted: int = 0
    called_off: str = ""
    made: list[Attempt] = field(default_factory=list)

    @property
    def policy(self) -> RetryPolicy:
        """How this job is tried again."""
        return self.deps.policies[self.job.on_in_doubt]

    def __post_init__(self) -> None:
        self.attempts = self.job.attempts

    @property
    def fresh(self) -> bool:
        """Whether no POST of this job has ever been answered: only such a row tells of the API."""
        return self.attempts <= 1 and self.job.most == 0

    async def run(self) -> None:
        """Carries the job to its end, or hands it back when it is called off while nothing is being sent."""
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
        await self.line.turn(self.job.batch, urgent=self.job.urgent, probe=self.probe)
        self.sending = True
        try:
            try:
                posted = await self._post()
                # Before the slot is free: its next holder must not run into what this answer warns of.
                if posted:
                    self._learn(posted)
            finally:
                self.line.leave()
            decision = await self._conclude(posted) if posted else Lost()
        finally:
            self.sending = False
        if self.deps.stopping.is_set() and isinstance(decision, Retry):
            await self._defer(decision.delay, "shutdown")
            return Lost()
        if isinstance(decision, Retry):
            self.spent += decision.delay
            self.due = time.monotonic() + decision.delay
        return decision

    async def _post(self) -> Posted | None:
        """Sends it once. Returns: what came of it; None if we may not."""
        at, asked = time.time(), time.monotonic()
        n = self.attempts + 1
        job = self.job
        grant = await self.deps.recorder.sending(job.batch, Intent(job.number, job.token, n, job.credential))
        if grant.word is Go.HELD:
            self._tell_rest(State.QUEUED, grant.reason)
            self.line.pace_anew()  # by what another worker has learned, if that is what holds it
        if grant.word is Go.CANCELLED:
            self._tell_rest(State.CANCELLED, State.CANCELLED)
        if not grant.go:
            if grant.word is not Go.HELD and time.monotonic() - asked > self.deps.lease / 2:
                # Redis was away for so long that an intent it had recorded, and could not confirm, has
                # lapsed into doubt. Nobody but us can know that not a byte of that POST has left.
                self.attempts = n
                await self._withdraw(at, "frozen")
            return None
        self.attempts = self.granted = n
        self.trial = grant.word is Go.TRIAL
        if no := self._no_longer(asked):
            await self._withdraw(at, no)
            return None
        wire = Wire()
        sent_at, began = time.time(), time.monotonic()
        self.number = self.line.refusals.sent(began)
        try:
            reply: Reply = await self.deps.api.create_widget(job.body, self.credential, wire)
        except asyncio.CancelledError:
            if not self.deps.stopping.is_set():
                raise
            seconds = time.monotonic() - began
            reply = NoAnswer(wire.evidence, "shutdown", "the worker had to stop", wire.status, seconds)
        return Posted(at, sent_at, began, reply, classify(reply, time.time()))

    def _no_longer(self, asked: float) -> str:
        """
        Why nothing may be sent after all, although the intent is recorded; empty if it may.

        We are leaving; or were frozen for so long that the job may be another's already; or other answers
        have come meanwhile by which nothing is to be sent now.
        """
        if self.deps.stopping.is_set():
            return "shutdown"
        if time.monotonic() - asked > self.deps.lease / 2:
            return "frozen"
        if self.deps.slots.closed and not self.probe:
            return HANDED_BACK
        return Cause.RATE_LIMITED if self.line.relearning else ""

    async def _withdraw(self, at: float, reason: str) -> None:
        """Takes an intent back of which no byte has left; it is not counted as an attempt."""
        attempt = Attempt(
            n=self.attempts,
            at=round(at, 3),
            seconds=0.0,
            outcome=Outcome.UNPROCESSED,
            evidence=Evidence.NOTHING_SENT,
            error=reason,
            worker=self.deps.worker,
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
            self._tell_rest(recorded.state, recorded.reason)

    async def _conclude(self, posted: Posted) -> Decision | Lost:
        reply, classified = posted.reply, posted.classified
        self.spent += reply.seconds
        decision = decide(classified, self.attempts, self.spent, self.policy, random.random)
        if isinstance(decision, Halt):
            await self._brake(decision, classified)
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
            worker=self.deps.worker,
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
        if self.trial:  # only now: nothing comes before the record of a widget
            await self._report_trial(classified, reply.status)
        self._tell(answer, recorded, posted.sent_at)
        return decision if recorded.goes_on or not isinstance(decision, Retry) else Lost()

    def _learn(self, posted: Posted) -> None:
        """Lets all that steers by answers know of this one."""
        reply, classified = posted.reply, posted.classified
        pushed_back = classified.outcome in PUSHED_BACK and reply.status not in (500, 502)
        self.deps.limit.see(
            time.monotonic(), reply.seconds, pushed_back=pushed_back, in_flight=self.deps.slots.taken
        )
        self.deps.probing.see(classified, fresh=self.fresh, sent_at=posted.began)
        self._end_probe(failed=classified.alive is False)
        if reply.status == 429:
            self._count_refusal(posted)
        # Nobody is let go until the brake that is called for is surely on.
        if classified.outcome is Outcome.DENIED:
            self.line.hold_off(STAND_BACK)
        elif classified.outcome is Outcome.MISDIRECTED:
            self.deps.slots.hold_off(STAND_BACK)

    def _end_probe(self, *, failed: bool) -> None:
        if self.probe:
            self.probe = False
            self.deps.probing.probe_ended(failed=failed)

    def _count_refusal(self, posted: Posted) -> None:
        least, share = SHOWS_ANOTHER_RATE if self.line.learned else SHOWS_A_RATE
        burst = self.line.refusals.refused(
            self.number,
            posted.began,
            min(posted.classified.retry_after or 0.0, self.policy.retry_after_cap),
            least=least,
            share=share,
            paced=self.line.learned,
        )
        if burst and not self.line.relearning:
            self.deps.refused(self.job.credential, burst)

    async def _report_trial(self, classified: Classification, status: int | None) -> None:
        """What this POST, let through a brake, has shown of the credential and of the target."""
        outcome = classified.outcome
        served = outcome in (Outcome.CREATED, Outcome.REJECTED)
        credential = Shown.GOOD if served else Shown.BAD if outcome is Outcome.DENIED else Shown.UNCLEAR
        alive = served or outcome is Outcome.DENIED or status == 429
        await self.deps.tried(scopes.of_credential(self.job.credential), credential)
        await self.deps.tried(scopes.of_target(self.deps.target), Shown.GOOD if alive else Shown.BAD)

    async def _defer(self, delay: float, reason: str) -> None:
        deferral = Deferral(self.job.number, self.job.token, delay, reason)
        recorded = await self.deps.recorder.deferred(self.job.batch, deferral)
        if recorded.moved:
            self._tell_rest(recorded.state, recorded.reason, delay)

    def _tell(self, answer: Answered, recorded: Recorded, sent_at: float) -> None:
        """Tells what the ledger has taken down of a POST, and where it says that the job stands."""
        if not recorded.taken or recorded.state is None:
            return
        attempt = answer.attempt
        if recorded.late:
            attempt = msgspec.structs.replace(attempt, late=True, token=answer.token)
        self.made.append(attempt)
        self.deps.telemetry.tell(Attempted(self.job, attempt, recorded.state, recorded.reason, sent_at))
        if recorded.moved:
            self._tell_rest(recorded.state, recorded.reason, attempt.next_delay or 0.0, answer.result)

    def _tell_rest(
        self, state: State | None, reason: str, delay: float = 0.0, result: Result | None = None
    ) -> None:
        """Tells that the job is out of this worker's hands, if it is: in the queue, or at its end."""
        if state is State.QUEUED:
            self.deps.telemetry.tell(Returned(self.job, delay, reason, self.made))
        elif state is not None and state not in UNSETTLED:
            self.deps.telemetry.tell(Ended(self.job, state, reason, self.made, result))

    async def _brake(self, decision: Halt, classified: Classification) -> None:
        said = f"{classified.cause}: {classified.message}" if classified.message else classified.cause
        if decision.scope == "credential":
            name = self.job.credential
            await self.deps.brake(
                scopes.of_credential(name),
                classified.cause,
                f"the API refused credential {name!r} ({said}); correct it, then: provision resume"
                f" --credential {name}, and restart the workers (or apply again where one command did all)",
            )
        elif decision.scope == "target":
            await self.deps.brake(
                scopes.of_target(self.deps.target),
                classified.cause,
                f"{self.deps.target} does not answer as the API does ({said}); correct PROVISION_API_URL,"
                " restart the workers, then: provision resume --target",
            )


def _arrow(decision: Decision) -> tuple[Event, str]:
    if isinstance(decision, Finish):
        return decision.event, decision.reason
    elif isinstance(decision, Retry | Defer):
        return Event.RETRY_DUE, decision.reason
    elif isinstance(decision, Halt):
        return Event.REFUSED, decision.reason
    else:
        assert_never(decision)
