"""
Arguments and results of the ledger, as values.

The values of a job itself are in `job` and `attempt`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from provisioning.attempt import Attempt, Bounds, Result
from provisioning.job import spellings_of
from provisioning.learned_rate import LearnedRate
from provisioning.ledger import schema
from provisioning.ledger.schema import Claimed, Lapse, Match
from provisioning.lifecycle import UNSETTLED, State
from provisioning.owner import owned_name


class Claim(Claimed, frozen=True):
    """
    A claimed job, under a lease.

    Attributes:
        urgent: its batch is sent before others.
        on_in_doubt: `hold` or `retry` by its batch's own choice; empty if the setting decides.
        owner: whose batch it is; empty for `default`.
    """

    batch: str = ""
    urgent: bool = False
    on_in_doubt: str = ""
    owner: str = ""

    @property
    def job_id(self) -> str:
        """Id of the job."""
        return f"{self.batch}.{self.number}"


class Claims(msgspec.Struct, frozen=True):
    """
    The jobs of one claim, and what is left.

    Attributes:
        more: ready jobs are left, for which there was no room.
        next_due: Unix seconds when the first waiting job comes due; None if none waits.
        sealed: claimed jobs whose bodies only other workers can decrypt: to be returned.
    """

    jobs: list[Claim]
    more: bool
    next_due: float | None
    sealed: list[Claim] = []


class Rescue(msgspec.Struct, frozen=True):
    """
    The results of settling a batch's lapsed leases.

    Attributes:
        jobs: those that were settled, each with its new state.
        ready: the batch has jobs that could be claimed now.
    """

    jobs: list[Lapse]
    ready: bool


class Selection(msgspec.Struct, frozen=True):
    """
    Selects jobs of a batch. Empty fields mean any.

    Attributes:
        key: of the tenant; `abc*` for all that begin with it.
        since: Unix seconds when it got into the state, at the earliest.
        until: before which it got there.
    """

    state: State | None = None
    reason: str = ""
    credential: str = ""
    key: str = ""
    since: float | None = None
    until: float | None = None

    @property
    def by_time(self) -> bool:
        """Whether these jobs are listed by the time they got there, not by number."""
        return self.state in (State.DEAD, State.IN_DOUBT)

    def fits(self, job: JobRecord) -> bool:
        """Whether a job is selected; equal to `lua/matching.lua`."""
        begins = self.key.endswith("*") and job.key.startswith(self.key[:-1])
        return (
            self.state in (None, job.state)
            and self.reason in ("", job.reason)
            and self.credential in ("", job.credential)
            and (not self.key or begins or job.key in spellings_of(self.key))
            and (self.since is None or job.at >= self.since)
            and (self.until is None or job.at < self.until)
        )

    def place(self, job: Match | JobRecord) -> str:
        """Position of this job in such a listing; `Queries.pages` continues after it."""
        return f"{round(job.at * 1000)}-{job.number}" if self.by_time else str(job.number)


EVERY = Selection()
"""All jobs of a batch."""


class CauseGroup(msgspec.Struct, frozen=True):
    """
    Jobs that ended alike.

    Attributes:
        risky: of these, jobs for which a widget may exist.
        first: when the first of them got there, Unix seconds.
        last: when the last did.
        example: number of one of them, the lowest.
    """

    cause: str
    count: int
    risky: int
    first: float
    last: float
    example: int


class Risk(msgspec.Struct, frozen=True):
    """How many dead jobs cannot get a second widget if they are sent again, and how many can."""

    safe: int
    risky: int


class Span(msgspec.Struct, frozen=True):
    """
    The results of a batch in one span of time.

    Attributes:
        at: its begin, Unix seconds.
        seconds: its length.
        attempts: POSTs begun in it.
        ended: jobs that reached a state in it: succeeded, dead, in doubt, cancelled.
    """

    at: float
    seconds: int
    attempts: int
    ended: dict[State, int]


class Redriven(msgspec.Struct, frozen=True):
    """
    The result of a redrive.

    Attributes:
        queued: jobs that are sent again.
        risky: of these, jobs that may create a second widget.
        left: jobs that were skipped because they may.
    """

    queued: int = 0
    risky: int = 0
    left: int = 0

    def __add__(self, other: Redriven) -> Redriven:
        return Redriven(self.queued + other.queued, self.risky + other.risky, self.left + other.left)


Fact = str | int | float | bool | None
"""Types of an action's facts: the JSON types that are no containers."""

UNREADABLE = "unreadable"
"""The `act` of an entry of the audit that this version cannot read."""


class Act(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    An action of a person, for the audit.

    Attributes:
        act: `pause`, `resume`, `cancel`, `redrive`, `resolve`, `reconcile`, `pace`, `purge`, …;
            `unreadable` for an entry that this version cannot read, whose facts then name it.
        on: a batch, job, credential or hold.
        by: the actor.
        why: the justification.
        facts: its result, in words and numbers; never a payload, credential or widget key.
    """

    act: str
    at: float
    by: str
    on: str
    why: str = ""
    facts: dict[str, Fact] = {}

    def public(self) -> dict[str, Any]:
        """The act as `--json` shows it (docs/reference/json.md)."""
        return {
            "act": self.act,
            "at": self.at,
            "by": self.by,
            "on": self.on,
            "why": self.why,
            "facts": self.facts,
        }


class AuditPage(msgspec.Struct, frozen=True):
    """
    Some acts of the audit, the newest first.

    Attributes:
        acts: each with the id of its entry, after which the next page may begin.
        end: the last entry that was read; empty if nothing is left.
    """

    acts: list[tuple[str, Act]]
    end: str


BEGIN_A_DRIVE = (schema.Move.REDRIVEN, schema.Move.RESOLVED_ABSENT)
"""Moves after which the attempts of a job count from 1 again."""


class Move(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    A change in a job's history that is no attempt: accepted (of a single job), redriven, cancelled, called
    off, resolved.

    Attributes:
        by: the actor.
        was: the reason before.
        why: the justification, if one was required.
    """

    move: str
    at: float
    by: str = ""
    was: str = ""
    why: str = ""


class JobRecord(msgspec.Struct, frozen=True):
    """
    Everything in the ledger about a job except its body.

    Attributes:
        result: the created widget, its key included.
        late_results: further widgets, from late answers; none, unless a POST was repeated.
    """

    job_id: str
    batch: str
    number: int
    key: str
    credential: str
    row: int | None
    label: str
    state: State
    reason: str
    at: float
    bounds: Bounds
    attempts: list[Attempt]
    moves: list[Move]
    worker: str = ""
    not_before: float | None = None
    result: Result | None = None
    late_results: list[Result] = []

    def public(self) -> dict[str, Any]:
        """The job as `--json` shows it (docs/reference/json.md); without the widget's key."""
        begun = [move.at for move in self.moves if move.move in BEGIN_A_DRIVE]
        return {
            "job": self.job_id,
            "batch": self.batch,
            "key": self.key,
            "row": self.row,
            "label": self.label,
            "credential": self.credential,
            "state": self.state,
            "reason": self.reason,
            "at": self.at,
            "attempts": [
                {
                    "drive": 1 + sum(at <= a.at for at in begun),
                    "n": a.n,
                    "at": a.at,
                    "seconds": a.seconds,
                    "outcome": a.outcome,
                    "evidence": a.evidence,
                    "status": a.status,
                    "error": a.error,
                    "message": a.message,
                    "next_delay": a.next_delay,
                    "worker": a.worker,
                    "late": a.late,
                }
                for a in self.attempts
            ],
            "moves": [msgspec.structs.asdict(move) for move in self.moves],
            "bounds": {"least": self.bounds.least, "most": self.bounds.most},
            "worker": self.worker or None,
            "not_before": self.not_before,
            "widget_id": self.result.widget_id if self.result else None,
            "bot_id": self.result.bot_id if self.result else None,
            "created_at": self.result.created_at if self.result else None,
            "late_widget_ids": [result.widget_id for result in self.late_results],
        }


class Page(msgspec.Struct, frozen=True):
    """
    Some jobs of a listing.

    Attributes:
        end: where it ends, for the next one; empty if nothing is left.
    """

    jobs: list[JobRecord]
    end: str


class Tombstone(msgspec.Struct, frozen=True):
    """
    The remaining record of a job whose batch was deleted.

    Attributes:
        state: in which it ended.
    """

    job_id: str
    key: str
    credential: str
    state: State


class Hold(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    A hold on jobs: a pause by a person, or a `brake` (circuit breaker) or stop-loss by the program.

    Attributes:
        scope: `all`, `batch:ID`, `credential:NAME` or `target:URL`.
        at: its begin, Unix seconds.
        by: the actor: a person, or the worker that applied the brake.
        why: the justification, or what happened and what to do.
        kind: a `schema.HoldKind`.
        trying: a person has resumed it and a probe is sent; no further action is needed.
        first: set after the first so many jobs were sent, as their submitter asked; 0 for any other hold.
    """

    scope: str
    at: float
    by: str
    why: str
    kind: str
    trying: bool = False
    first: int = 0


class KnownRate(msgspec.Struct, frozen=True):
    """
    The learned rate of a credential, as read.

    Attributes:
        raw: as stored; a replacement must name it.
        now: Unix seconds by the ledger's clock.
        replaced: whether this call has replaced it.
    """

    rate: LearnedRate | None
    raw: bytes
    now: float
    replaced: bool = False


class Outage(msgspec.Struct, frozen=True):
    """
    An outage of the API that a worker suspects.

    Attributes:
        certain: a probe has failed as well.
        since: Unix seconds of the first failure.
        cause: of the last failure, as one word.
        next_probe: Unix seconds of the next probes.
    """

    certain: bool
    since: float
    cause: str
    next_probe: float


class WorkerSign(msgspec.Struct, frozen=True):
    """
    The state of a worker at its last heartbeat.

    Attributes:
        limit: its concurrency limit.
        in_hand: its claimed jobs, those in backoff included.
        refused: share of the last answers that pushed back (429, 503, timeouts); 0 to 1.
        outage: the outage that it suspects; None if it does not.
        rates: by credential, the learned rates that it uses, in POSTs per second.
        credentials: names of those it has.
        settings: those that should be equal on all workers, by name.
        skew: seconds by which its clock is ahead of Redis'.
    """

    name: str
    at: float
    in_flight: int
    limit: int
    in_hand: int
    refused: float = 0.0
    outage: Outage | None = None
    rates: dict[str, float] = {}
    credentials: list[str] = []
    settings: dict[str, str] = {}
    skew: float = 0.0


class SourceFile(msgspec.Struct, frozen=True):
    """
    A file whose rows were all submitted to a batch.

    Attributes:
        sha256: of the file, hexadecimal.
        rows: number of its rows, refused ones included.
        by: the actor: a person or service.
        at: when it was first submitted completely; Unix seconds by the ledger's clock.
    """

    name: str
    sha256: str
    rows: int
    by: str
    at: float = 0.0


HOLDS_SHOWN = 20
"""Most holds of a batch that are listed; all are counted."""


class BatchStatus(msgspec.Struct, frozen=True):
    """
    A batch in numbers, read at one moment.

    Attributes:
        causes: by state, number of jobs by reason.
        holds: on its jobs, or some of them.
        blocked: no queued job can be sent before a person acts.
        primary_changed_at: Unix seconds when Redis was last found restarted or replaced, and may have lost
            writes, while this was active; None for never.
        elsewhere: other batches that have jobs which were submitted with this one, with how many.
        first: highest number of the jobs that are sent before it is paused; None without such a limit.
    """

    batch: str
    name: str
    owner: str
    opened_at: float
    settled_at: float | None
    accepted: int
    states: dict[State, int]
    bounds: Bounds
    attempts: int
    causes: dict[str, dict[str, int]]
    holds: list[Hold]
    meta: dict[str, str]
    sources: list[SourceFile]
    blocked: bool = False
    primary_changed_at: float | None = None
    elsewhere: dict[str, int] = {}
    first: int | None = None

    @property
    def full_name(self) -> str:
        """Its name among those of all owners: `june`, or `crm/june`."""
        return owned_name(self.owner, self.name)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do for it: all jobs have ended, or wait for a person."""
        return not any(self.states[state] for state in UNSETTLED)

    @property
    def conserved(self) -> bool:
        """Whether every accepted job is in exactly one state (promise 3)."""
        return sum(self.states.values()) == self.accepted

    @property
    def paused(self) -> bool:
        """Whether it is held until a person decides: by a pause or by the stop-loss."""
        return any(hold.kind != "brake" for hold in self.holds)

    @property
    def shown_holds(self) -> list[Hold]:
        """The holds to list: pauses first, then the oldest brakes."""
        ordered = sorted(self.holds, key=lambda hold: (hold.kind == "brake", hold.at, hold.scope))
        return ordered[:HOLDS_SHOWN]

    def public(self) -> dict[str, Any]:
        """The batch as `--json` shows it (docs/reference/json.md)."""
        holds = self.shown_holds
        return {
            "batch": self.batch,
            "name": self.name,
            "owner": self.owner,
            "accepted": self.accepted,
            "elsewhere": self.elsewhere,
            "states": {str(state): count for state, count in self.states.items()},
            "bounds": {"least": self.bounds.least, "most": self.bounds.most},
            "attempts": self.attempts,
            "causes": self.causes,
            "first": self.first,
            "paused": self.paused,
            "brakes": [msgspec.to_builtins(hold) for hold in holds if hold.kind == "brake"],
            "holds": [msgspec.to_builtins(hold) for hold in holds],
            "hold_count": len(self.holds),
            "settled": self.settled,
            "opened_at": self.opened_at,
            "settled_at": self.settled_at,
            "primary_changed_at": self.primary_changed_at,
        }
