"""
What goes into and comes out of the ledger, as values.

The nouns of a job itself are in `job` and `attempt`; here is how the ledger speaks of them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from provisioning.attempt import Attempt, Bounds, Result
from provisioning.job import spellings_of
from provisioning.learned_rate import LearnedRate
from provisioning.ledger.schema import Claimed, Lapse, Match
from provisioning.lifecycle import UNSETTLED, State


class Claim(Claimed, frozen=True):
    """
    A job in a worker's hands, under a lease.

    Attributes:
        urgent: its batch goes before others.
        on_in_doubt: `hold` or `retry` by its batch's own choice; empty where the setting decides.
    """

    batch: str = ""
    urgent: bool = False
    on_in_doubt: str = ""

    @property
    def job_id(self) -> str:
        """Id of the job."""
        return f"{self.batch}.{self.number}"


class Claims(msgspec.Struct, frozen=True):
    """
    What one call claimed, and what is left.

    Attributes:
        more: ready jobs were left behind for want of room.
        next_due: Unix seconds when the first waiting job comes due; None if none waits.
        sealed: jobs that were claimed as well, but whose bodies only others can open: to be handed back.
    """

    jobs: list[Claim]
    more: bool
    next_due: float | None
    sealed: list[Claim] = []


class Rescue(msgspec.Struct, frozen=True):
    """
    What became of a batch's lapsed leases.

    Attributes:
        jobs: those that were settled, each with where it stands now.
        ready: the batch has jobs that could be claimed now.
    """

    jobs: list[Lapse]
    ready: bool


class Selection(msgspec.Struct, frozen=True):
    """
    Which jobs of a batch are meant. Empty fields mean any.

    Attributes:
        key: of the tenant; `abc*` for all that begin so.
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
        """Whether a job is meant; the same as `lua/matching.lua` says."""
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
        """Where a listing of such jobs has got to with this one; `Queries.pages` goes on after it."""
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


class Span(msgspec.Struct, frozen=True):
    """
    What a batch came to in one stretch of time.

    Attributes:
        at: when it begins, Unix seconds.
        seconds: how long it is.
        attempts: POSTs begun in it.
        ended: jobs that got there in it, by state: succeeded, dead, in doubt, cancelled.
    """

    at: float
    seconds: int
    attempts: int
    ended: dict[State, int]


class Redriven(msgspec.Struct, frozen=True):
    """
    What a redrive came to.

    Attributes:
        queued: jobs that are sent again.
        risky: of these, jobs that may make a second widget.
        left: jobs that were left as they are because they may.
    """

    queued: int = 0
    risky: int = 0
    left: int = 0

    def __add__(self, other: Redriven) -> Redriven:
        return Redriven(self.queued + other.queued, self.risky + other.risky, self.left + other.left)


Fact = str | int | float | bool | None
"""What a fact of an act may be: whatever JSON has that is no container."""

UNREADABLE = "unreadable"
"""The `act` of an entry of the audit that this version cannot read."""


class Act(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What a person has done, for the audit.

    Attributes:
        act: `pause`, `resume`, `cancel`, `redrive`, `resolve`, `reconcile`, `pace`, `purge`, …;
            `unreadable` for an entry that this version cannot read, whose facts then name it.
        on: a batch, job, credential or hold.
        why: the reason that was given.
        facts: what came of it, in words and numbers; never a payload, credential or widget key.
    """

    act: str
    at: float
    by: str
    on: str
    why: str = ""
    facts: dict[str, Fact] = {}


class Move(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    A notable move that is no attempt: accepted (of a single job), redriven, cancelled, called off, resolved;
    with who did it.

    Attributes:
        was: the reason before.
        why: what a person gave as the reason, where one was asked for.
    """

    move: str
    at: float
    by: str = ""
    was: str = ""
    why: str = ""


class JobRecord(msgspec.Struct, frozen=True):
    """
    Everything the ledger knows of a job but its body.

    Attributes:
        result: the created widget, its key included.
        late_results: widgets beside it that a late answer told of; none, unless a POST was repeated.
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
        """The job as `--json` shows it (DESIGN section 8); the widget's key is left out."""
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
    What is still known of a job whose batch is past its retention.

    Attributes:
        state: in which it ended.
    """

    job_id: str
    key: str
    credential: str
    state: State


class Hold(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    Something that keeps jobs back: a pause by a person or a brake by the program.

    Attributes:
        scope: `all`, `batch:ID`, `credential:NAME` or `target:URL`.
        at: since when, Unix seconds.
        by: the person, or the worker that put the brake on.
        why: what happened, and for a person what to do.
        kind: a `schema.HoldKind`.
        trying: a probe is sent on a person's word; nothing else need be done.
    """

    scope: str
    at: float
    by: str
    why: str
    kind: str
    trying: bool = False


class KnownRate(msgspec.Struct, frozen=True):
    """
    What 429s have taught of a credential's rate, as it was read.

    Attributes:
        raw: as it is kept; what a replacement names.
        now: Unix seconds by the ledger's clock.
        replaced: whether this call has replaced it.
    """

    rate: LearnedRate | None
    raw: bytes
    now: float
    replaced: bool = False


class Outage(msgspec.Struct, frozen=True):
    """
    That a worker takes the API to be down.

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
    What a worker was doing when it last gave a sign of life.

    Attributes:
        limit: POSTs in flight that it takes the API to stand at once.
        in_hand: jobs it holds under a lease, those in backoff included.
        refused: share of the last answers that pushed back (429, 503, time-outs); 0 to 1.
        outage: that it takes the API to be down; None if it does not.
        rates: by credential, POSTs a second that 429s have taught and it goes by.
        credentials: names of those it has.
        settings: those in which all workers should agree, by name.
        skew: seconds that its clock is ahead of Redis'.
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
    A file whose rows were all handed over to a batch.

    Attributes:
        sha256: of the file as it lay there, hexadecimal.
        rows: that it holds, those that were refused included.
        by: the person or service.
        at: when it was first handed over to its end; Unix seconds by the ledger's clock.
    """

    name: str
    sha256: str
    rows: int
    by: str
    at: float = 0.0


HOLDS_SHOWN = 20
"""Holds of a batch that are told one by one; all are counted."""


class BatchStatus(msgspec.Struct, frozen=True):
    """
    A batch in numbers, read at one moment.

    Attributes:
        causes: by state, how many jobs stand there for which reason.
        holds: what keeps its jobs, or some of them, back.
        blocked: nothing that is queued can move before a person has done something.
        primary_changed_at: Unix seconds when Redis was last found restarted or replaced, and may have lost
            writes, while this was active; None for never.
    """

    batch: str
    name: str
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

    @property
    def settled(self) -> bool:
        """Whether the program has nothing left to do for it: all jobs ended, or wait for a person."""
        return not any(self.states[state] for state in UNSETTLED)

    @property
    def conserved(self) -> bool:
        """Whether every accepted job is in exactly one state (promise 3)."""
        return sum(self.states.values()) == self.accepted

    @property
    def paused(self) -> bool:
        """Whether it is kept back for a person's decision: by a pause or by the stop-loss."""
        return any(hold.kind != "brake" for hold in self.holds)

    @property
    def shown_holds(self) -> list[Hold]:
        """The holds that are worth a line each: what a person did first, then the oldest brakes."""
        ordered = sorted(self.holds, key=lambda hold: (hold.kind == "brake", hold.at, hold.scope))
        return ordered[:HOLDS_SHOWN]

    def public(self) -> dict[str, Any]:
        """The batch as `--json` shows it (DESIGN section 8)."""
        holds = self.shown_holds
        return {
            "batch": self.batch,
            "name": self.name,
            "accepted": self.accepted,
            "states": {str(state): count for state, count in self.states.items()},
            "bounds": {"least": self.bounds.least, "most": self.bounds.most},
            "attempts": self.attempts,
            "causes": self.causes,
            "paused": self.paused,
            "brakes": [msgspec.to_builtins(hold) for hold in holds if hold.kind == "brake"],
            "holds": [msgspec.to_builtins(hold) for hold in holds],
            "hold_count": len(self.holds),
            "settled": self.settled,
            "opened_at": self.opened_at,
            "settled_at": self.settled_at,
            "primary_changed_at": self.primary_changed_at,
        }
