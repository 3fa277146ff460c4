"""
What applying a file would do, without doing it: every row judged, every identity looked up.

`apply` makes the same plan before it hands over the first row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from producers.repeats import Repeats
from producers.submit import CHUNK, fingerprint_of
from provisioning.errors import InvalidJobError
from provisioning.job import NewJob, Verdict
from provisioning.ledger import Ledger

SHOWN = 1000
"""Problems kept for display; all are counted and all are told to `on_problem`."""


@dataclass(slots=True)
class Plan:
    """
    What applying would do.

    Attributes:
        rows: rows that hold something.
        bad_rows: rows with at least one problem; without --skip-invalid one of them stops the file.
        problems: the first of them, in order.
        verdicts: what would become of the good rows.
        credentials: good rows by the credential they name.
    """

    rows: int = 0
    bad_rows: int = 0
    problem_count: int = 0
    problems: list[InvalidJobError] = field(default_factory=list)
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    credentials: Counter[str] = field(default_factory=Counter)

    @property
    def to_send(self) -> int:
        """Rows that would be sent."""
        return self.verdicts[Verdict.NEW] + self.verdicts[Verdict.REDRIVEN]


async def make_plan(
    ledger: Ledger | None,
    reading: Iterable[NewJob | InvalidJobError],
    *,
    known_credentials: frozenset[str] | None = None,
    on_problem: Callable[[InvalidJobError], None] | None = None,
    on_chunk: Callable[[Plan], None] | None = None,
) -> Plan:
    """
    Judges every row and asks the ledger what it knows of each.

    Args:
        ledger: None to judge the rows alone.
        known_credentials: names that may be used; None where only the workers know.
    """
    plan = Plan()
    bad = _BadRows()

    def complain(problem: InvalidJobError) -> None:
        plan.problem_count += 1
        plan.bad_rows += bad.is_new(problem)
        if len(plan.problems) < SHOWN:
            plan.problems.append(problem)
        if on_problem:
            on_problem(problem)

    good = checked(reading, complain, known_credentials)
    while chunk := list(islice(good, CHUNK)):
        plan.credentials.update(job.credential for job in chunk)
        if ledger is None:
            plan.verdicts[Verdict.NEW] += len(chunk)
        else:
            known = [(job.credential, job.key, fingerprint_of(job.body)) for job in chunk]
            plan.verdicts.update(await ledger.view.verdicts(known))
        plan.rows = plan.verdicts.total() + plan.bad_rows
        if on_chunk:
            on_chunk(plan)
    plan.rows = plan.verdicts.total() + plan.bad_rows
    return plan


def checked(
    reading: Iterable[NewJob | InvalidJobError],
    complain: Callable[[InvalidJobError], None],
    known_credentials: frozenset[str] | None = None,
) -> Iterator[NewJob]:
    """The jobs of a reading that nothing is wrong with, in the file and among each other."""
    repeats = Repeats()
    for item in reading:
        if isinstance(item, InvalidJobError):
            complain(item)
        elif known_credentials is not None and item.credential not in known_credentials:
            complain(_unknown_credential(item, known_credentials))
        elif problem := repeats.check(item):
            complain(problem)
        else:
            yield item


class _BadRows:
    """Counts rows, not problems; the problems of one row come one after the other."""

    def __init__(self) -> None:
        self._last: int | None = None

    def is_new(self, problem: InvalidJobError) -> bool:
        new = problem.row is None or problem.row != self._last
        self._last = problem.row
        return new


def _unknown_credential(job: NewJob, known: frozenset[str]) -> InvalidJobError:
    names = ", ".join(sorted(known)) or "none"
    return InvalidJobError(
        f"there is no credential named {job.credential!r} here",
        row=job.row,
        field="credential",
        value=job.credential,
        hint=f"known: {names}; others go into PROVISION_CREDENTIALS_FILE",
    )
