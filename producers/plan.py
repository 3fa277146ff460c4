"""
What applying a file would do, without doing it: every row checked, every identity looked up.

`apply` makes the same plan before it submits the first row.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from threading import Event

from producers.files.read_ahead import read_ahead
from producers.files.repeats import Repeats
from producers.spool import Spool
from producers.submit import CHUNK
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.job import NewJob, Verdict
from provisioning.ledger import Ledger
from provisioning.owner import DEFAULT
from provisioning.pace import Rate
from provisioning.text import AnyText, Text

SHOWN = 100
"""Problems kept for display; all are counted, and `on_problem` is called for all, as they are found."""

TOGETHER = 100
"""Rows that are looked up together among the keys seen so far; their bodies are in memory meanwhile."""

SENT = (Verdict.NEW, Verdict.REDRIVEN)
"""Verdicts that lead to a POST."""


@dataclass(slots=True)
class Plan:
    """
    What applying would do.

    Attributes:
        rows: rows that hold something.
        bad_rows: rows with at least one problem; without --skip-invalid one of them stops the file.
        repeated: rows whose key an earlier row of the file has; they are bad rows.
        problems: the first of them, in order.
        notes: warnings about the rows as a whole that stop nothing.
        verdicts: what would happen to the valid rows.
        to_send_by: rows that would be sent, by the credential they name.
        paces: of these credentials, as they are now.
    """

    rows: int = 0
    bad_rows: int = 0
    repeated: int = 0
    problem_count: int = 0
    problems: list[InvalidJobError] = field(default_factory=list)
    notes: tuple[Text, ...] = ()
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    to_send_by: Counter[str] = field(default_factory=Counter)
    paces: dict[str, Rate] = field(default_factory=dict)

    @property
    def to_send(self) -> int:
        """Rows that would be sent."""
        return self.to_send_by.total()

    @property
    def slowest(self) -> str | None:
        """The credential whose rows take longest to send; None if nothing is to be sent or is paced."""
        return max(self._seconds(), key=self._seconds().__getitem__, default=None)

    @property
    def seconds(self) -> float | None:
        """How long sending takes at the current pace; None if nothing holds it back."""
        return max(self._seconds().values(), default=None)

    def _seconds(self) -> dict[str, float]:
        """By credential, in order; each is sent at its own pace, all at the same time."""
        return {
            credential: count / pace.per_second
            for credential, count in self.to_send_by.items()
            if (pace := self.paces.get(credential)) and pace.per_second
        }


async def make_plan(
    ledger: Ledger | None,
    reading: Iterable[NewJob | InvalidJobError],
    *,
    rate: Rate | None = None,
    known_credentials: frozenset[str] | None = None,
    accept_duplicates: bool = False,
    leave_ended: bool = False,
    owner: str = DEFAULT,
    spool: Spool | None = None,
    on_problem: Callable[[InvalidJobError], None] | None = None,
    on_chunk: Callable[[Plan], None] | None = None,
    stop: Event | None = None,
) -> Plan:
    """
    Judges every row and asks the ledger what it knows of each.

    Args:
        ledger: None to judge the rows alone.
        rate: the pace of a credential where no operator has set another one.
        known_credentials: names that may be used; None where only the workers know.
        accept_duplicates: whether jobs that had ended are sent again although they may make a second widget.
        leave_ended: whether dead and cancelled jobs remain as they are.
        owner: whose jobs they would be.
        spool: keeps the good rows, to be handed over.
        stop: set when no more is wanted of the reading.
    """
    plan = Plan()
    repeats = Repeats()
    bad = _BadRows()

    def complain(problem: InvalidJobError) -> None:
        plan.problem_count += 1
        plan.bad_rows += bad.is_new(problem)
        if len(plan.problems) < SHOWN:
            plan.problems.append(problem)
        if on_problem:
            on_problem(problem)

    good = checked(reading, complain, known_credentials, repeats)
    async with read_ahead(_chunks(good, spool), stop) as chunks:
        async for chunk in chunks:
            verdicts = [Verdict.NEW] * len(chunk)
            if ledger is not None:
                verdicts = await ledger.queries.verdicts(
                    chunk, accept_duplicates=accept_duplicates, leave_ended=leave_ended, owner=owner
                )
            plan.verdicts.update(verdicts)
            for job, verdict in zip(chunk, verdicts, strict=True):
                if verdict in SENT:
                    plan.to_send_by[job.credential] += 1
            plan.repeated = repeats.found
            plan.rows = plan.verdicts.total() + plan.bad_rows
            if on_chunk:
                on_chunk(plan)
    plan.repeated = repeats.found
    plan.notes = tuple(repeats.notes)
    plan.rows = plan.verdicts.total() + plan.bad_rows
    for credential in plan.to_send_by:
        word = None if ledger is None else await ledger.queries.pace(credential)
        if pace := rate if word is None else Rate.of_word(word):
            plan.paces[credential] = pace
    return plan


def _chunks(jobs: Iterator[NewJob], spool: Spool | None) -> Iterator[list[NewJob]]:
    kept = jobs if spool is None else _kept(jobs, spool)
    while chunk := list(islice(kept, CHUNK)):
        yield chunk


def _kept(jobs: Iterator[NewJob], spool: Spool) -> Iterator[NewJob]:
    for job in jobs:
        spool.add(job)
        yield job


def checked(
    reading: Iterable[NewJob | InvalidJobError],
    complain: Callable[[InvalidJobError], None],
    known_credentials: frozenset[str] | None = None,
    repeats: Repeats | None = None,
) -> Iterator[NewJob]:
    """
    The jobs of a reading that nothing is wrong with, in the file and among each other.

    Args:
        repeats: closed when the reading has ended.
    """
    with contextlib.closing(repeats or Repeats()) as seen:
        for some in _some(reading):
            judged = [_of_known_credential(item, known_credentials) for item in some]
            repeated = iter(seen.check([item for item in judged if isinstance(item, NewJob)]))
            for item in judged:
                if isinstance(item, InvalidJobError):
                    complain(item)
                elif problem := next(repeated):
                    complain(problem)
                else:
                    yield item


def _some(reading: Iterable[NewJob | InvalidJobError]) -> Iterator[list[NewJob | InvalidJobError]]:
    some = []
    try:
        for item in reading:
            some.append(item)
            if len(some) == TOGETHER:
                yield some
                some = []
    except InvalidInputError:  # what was read before it broke off is judged all the same
        yield some
        raise
    yield some


def _of_known_credential(
    item: NewJob | InvalidJobError, known: frozenset[str] | None
) -> NewJob | InvalidJobError:
    if known is None or isinstance(item, InvalidJobError) or item.credential in known:
        return item
    return _unknown_credential(item, known)


class _BadRows:
    """Counts rows, not problems; the problems of one row come one after the other."""

    def __init__(self) -> None:
        self._last: int | None = None

    def is_new(self, problem: InvalidJobError) -> bool:
        new = problem.row is None or problem.row != self._last
        self._last = problem.row
        return new


def _unknown_credential(job: NewJob, known: frozenset[str]) -> InvalidJobError:
    names: AnyText = ", ".join(sorted(known)) or Text("none")
    return InvalidJobError(
        Text("unknown credential {credential!r}", credential=job.credential),
        row=job.row,
        field="credential",
        value=job.credential,
        hint=Text("known: {names}; add others to PROVISION_CREDENTIALS_FILE", names=names),
    )
