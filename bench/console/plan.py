"""The ledger that the console is measured on, as values: its batches, and what becomes of each job. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from provisioning.attempt import Attempt, Bounds, Evidence, Outcome, Result
from provisioning.job import NewJob
from provisioning.ledger import Answered, Claim
from provisioning.lifecycle import Event

BATCHES: Final = 200
CREDENTIALS: Final = 4
"""Companies that the batches belong to, in turn."""

PACE: Final = 5.0
"""Jobs a second of a batch, by the ledger's clock: the pace that a credential has unless it is set."""

BETWEEN: Final = 4 * 3600.0
"""Seconds from the opening of one batch to that of the next."""

STEP: Final = 7919
"""A prime: `number * STEP % jobs` is another number for each job, and spreads what fails over the batch."""


@dataclass(frozen=True)
class Failure:
    """How jobs die: the cause, the answer, and below which place of a hundred."""

    cause: str
    status: int
    outcome: Outcome
    event: Event
    below: int


FAILURES: Final = (
    # every twentieth of the dead may have a widget
    Failure("http_500", 500, Outcome.FAILED, Event.EXHAUSTED, 5),
    Failure("bot_not_found", 404, Outcome.REJECTED, Event.REJECTED, 50),
    Failure("http_400", 400, Outcome.REJECTED, Event.REJECTED, 80),
    Failure("http_409", 409, Outcome.REJECTED, Event.REJECTED, 95),
    Failure("http_413", 413, Outcome.REJECTED, Event.REJECTED, 100),
)

MAIN_CAUSE: Final = "bot_not_found"


@dataclass(frozen=True)
class Batch:
    """A batch with so many jobs, of which so many are dead or in doubt and all others created."""

    id: str
    name: str
    credential: str
    jobs: int
    dead: int
    in_doubt: int
    opened_at: float


def batches(jobs: int, now: float) -> list[Batch]:
    """
    The batches of a ledger of so many jobs, the newest last.

    Half of the jobs are in one batch, the large one, and nine tenths of the dead. A tenth of all jobs is
    dead, a thousandth in doubt. Half of the other batches have dead jobs, the other half has doubts.

    Args:
        jobs: at least two for each batch.
        now: Unix seconds; everything is over by then.
    Raises: ValueError if there are too few jobs.
    """
    if jobs < 2 * BATCHES:
        raise ValueError(f"a ledger of {BATCHES} batches needs at least {2 * BATCHES} jobs")
    large, dead, doubts = jobs // 2, jobs // 10, max(2, jobs // 1000)
    sizes = _shares(jobs - large, BATCHES - 1)
    of_dead = _shares(dead - dead * 9 // 10, len(sizes[0::2]))
    of_doubts = _shares(doubts - doubts // 2, len(sizes[1::2]))
    others = []
    for n, size in enumerate(sizes):
        mine = (min(size, of_dead[n // 2]), 0) if n % 2 == 0 else (0, of_doubts[n // 2])
        opened = now - large / PACE - (len(sizes) - n) * BETWEEN
        others.append(Batch(f"bench{n:03d}", f"tenants {n:03d}", _credential(n), size, *mine, opened))
    mine = (dead * 9 // 10, doubts // 2)
    huge = Batch("benchlarge", "all tenants", _credential(0), large, *mine, now - large / PACE - 60)
    return [*others, huge]


def end_of(jobs: int, opened_at: float) -> float:
    """When everything was over in a ledger whose large batch was opened then."""
    return opened_at + jobs // 2 / PACE + 60


def _credential(n: int) -> str:
    return f"company-{n % CREDENTIALS}"


def _shares(total: int, among: int) -> list[int]:
    """A number in whole parts as equal as they can be."""
    return [total // among + (n < total % among) for n in range(among)]


def key(batch: Batch, n: int) -> str:
    """The tenant's reference of the n-th job of a batch, from 1."""
    return f"{batch.id}-{n:07d}"


def new_jobs(batch: Batch, first: int, last: int) -> list[NewJob]:
    """The jobs between two numbers, the last not among them, with a body of some 300 bytes each."""
    return [NewJob(key(batch, n), batch.credential, _body(n), row=n + 1) for n in range(first, last)]


def _body(n: int) -> bytes:
    return (
        b'{"bot":{"id":"%d"},"credentials":{"whiteList":["portal-%d.example","app-%d.example"]},'
        b'"widget":{"properties":{"name":"Tienda %d","type":"normal"},"startButton":{"position":"br"},'
        b'"theme":{"position":"br","status":true,"vars":{"color":{"primary":"#00677F"}}}}}'
    ) % (404_200_000 + n, n, n, n)


def ended(batch: Batch, claim: Claim, at: float) -> Answered:
    """What the API answers to a job: by its number, so that any worker comes to the same."""
    place = claim.number * STEP % batch.jobs
    if place < batch.dead:
        return _dead(claim, at, place)
    if place < batch.dead + batch.in_doubt:
        attempt = _attempt(at, Outcome.IN_DOUBT, Evidence.SENT, None, "read_timeout")
        return Answered(claim.number, claim.token, Event.DOUBTED, "read_timeout", Bounds(0, 0), attempt)
    attempt = _attempt(at, Outcome.CREATED, Evidence.ANSWERED, 200, "")
    made = Result(
        widget_id=f"w-{claim.number}", key=f"key-of-{claim.key}", bot_id=str(404_200_000 + claim.number)
    )
    return Answered(claim.number, claim.token, Event.CREATED, "created", Bounds(1, 0), attempt, made)


def _dead(claim: Claim, at: float, place: int) -> Answered:
    how = next(failure for failure in FAILURES if place % 100 < failure.below)
    change = Bounds(0, 0 if how.outcome is Outcome.FAILED else -1)
    said = "Bot is not assigned to the company"
    attempt = _attempt(at, how.outcome, Evidence.ANSWERED, how.status, how.cause, said)
    return Answered(claim.number, claim.token, how.event, how.cause, change, attempt)


def _attempt(
    at: float, outcome: Outcome, evidence: Evidence, status: int | None, error: str, message: str = ""
) -> Attempt:
    return Attempt(1, at, 0.412, outcome, evidence, status, error, message, worker="w1")
