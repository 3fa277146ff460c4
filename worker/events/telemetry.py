"""
The events that a worker publishes, as frozen values, and their listeners.

The engine does not depend on logs, metrics, Flower or traces: it publishes each event once the ledger has
recorded it, and each of them is a `Listener`. A listener must be quick (it runs on the engine's loop); its
errors are logged, and the job continues.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from provisioning.attempt import Attempt, Result
from provisioning.ledger import Claim
from provisioning.lifecycle import State
from provisioning.observability.log_events import LISTENER_FAILED
from provisioning.observability.logs import log_event


class Claimed(msgspec.Struct, frozen=True):
    """`job.claimed`: this worker claimed a job."""

    job: Claim


class Attempted(msgspec.Struct, frozen=True):
    """
    `attempt.finished`: the result of a POST is in the ledger.

    Attributes:
        state: of the job now.
        reason: of that state.
        sent_at: Unix seconds when the POST began, its intent being in the ledger.
    """

    job: Claim
    attempt: Attempt
    state: State
    reason: str
    sent_at: float = 0.0

    @property
    def again(self) -> bool:
        """Whether it is tried again from here, after `attempt.next_delay` (`retry.scheduled`)."""
        return self.state is State.CLAIMED and not self.attempt.late


class Ended(msgspec.Struct, frozen=True):
    """
    `job.succeeded`, `job.dead_lettered`, `job.doubted`, `job.cancelled`: a job has ended on this worker.

    Attributes:
        attempts: those made since it was claimed here; earlier ones are in the ledger only.
        result: the created widget; its key must not be shown.
    """

    job: Claim
    state: State
    reason: str
    attempts: Sequence[Attempt]
    result: Result | None = None


class Returned(msgspec.Struct, frozen=True):
    """
    `job.deferred`: a job is back in the queue, not to be started before `delay` seconds have passed.

    Attributes:
        attempts: those made since it was claimed here.
    """

    job: Claim
    delay: float
    reason: str
    attempts: Sequence[Attempt] = ()


class Lapsed(msgspec.Struct, frozen=True):
    """
    `lease.expired`: a job whose worker stopped responding was settled here: queued again, or in doubt.

    Attributes:
        worker: the one that stopped responding.
    """

    batch: str
    number: int
    state: State
    key: str = ""
    row: int | None = None
    worker: str = ""

    @property
    def job_id(self) -> str:
        """Id of the job."""
        return f"{self.batch}.{self.number}"


class BrakeApplied(msgspec.Struct, frozen=True):
    """
    `brake.applied`: sending stopped for a credential or the target; `why` contains what a person must do.

    Attributes:
        why: may quote the API; it is for the ledger, not for a log.
        cause: as one stable word.
    """

    scope: str
    why: str
    cause: str = ""


class BrakeReleased(msgspec.Struct, frozen=True):
    """`brake.released`: a probe succeeded, and sending resumes."""

    scope: str


class TargetSuspected(msgspec.Struct, frozen=True):
    """
    `target.suspected`: this worker suspects that the API is down; it sends probes only.

    Attributes:
        cause: of the last failure, as one word.
    """

    cause: str


class TargetLost(msgspec.Struct, frozen=True):
    """
    `target.lost`: a probe has failed as well; the jobs of this worker return to the queue.

    Attributes:
        cause: of the last failure, as one word.
    """

    cause: str


class TargetRecovered(msgspec.Struct, frozen=True):
    """
    `target.recovered`: sending resumes.

    Attributes:
        seconds: since the first failure.
    """

    seconds: float


TelemetryEvent = (
    Claimed
    | Attempted
    | Ended
    | Returned
    | Lapsed
    | BrakeApplied
    | BrakeReleased
    | TargetSuspected
    | TargetLost
    | TargetRecovered
)

Listener = Callable[[TelemetryEvent], None]


class Telemetry:
    """Publishes events to listeners, in order; a listener's error does not affect a job."""

    def __init__(self, listeners: Sequence[Listener] = ()) -> None:
        self._listeners = tuple(listeners)

    def publish(self, event: TelemetryEvent) -> None:
        """Calls every listener with the event."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception as error:  # noqa: BLE001 - whatever it is, the job continues
                log_event(LISTENER_FAILED, exception=error)
