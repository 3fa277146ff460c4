"""
Doubts against what somebody else has seen: a table exported from the company's console, say.

A doubtful job and a row of the table belong together when they have the same value, and nothing else has it.
Where more than one job or more than one row has it, nobody can tell which is whose: that is unclear, and
nothing is done about it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from producers.csv_file import CsvRows, RawRow
from producers.text import Lines
from provisioning.attempt import Result
from provisioning.errors import InvalidInputError
from provisioning.ledger import JobRecord, Ledger
from provisioning.lifecycle import State

PAGE = 500


class Finding(StrEnum):
    """What the table says of a doubtful job."""

    MATCHED = "matched"  # one row has its value, and no other job
    ABSENT = "absent"  # no row has it
    UNCLEAR = "unclear"  # several do, or the job has no value there


@dataclass(frozen=True, slots=True)
class Seen:
    """
    One row of the table.

    Attributes:
        value: what it is matched by.
        widget_id: empty where the table has no such column.
        widget_key: likewise.
    """

    value: str
    widget_id: str = ""
    widget_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job for which a widget may exist, with its value and, if it is known, its widget."""

    number: int
    value: str
    doubtful: bool
    widget_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Judged:
    """A doubtful job, what the table says of it, why that is unclear if it is, and its row if it has one."""

    number: int
    value: str
    finding: Finding
    why: str = ""
    seen: Seen | None = None


def judge(candidates: Iterable[Candidate], table: Iterable[Seen]) -> list[Judged]:
    """
    What a table says of each doubtful job, in order.

    A row whose widget is known to be another job's is accounted for, and so is that job.
    """
    jobs = list(candidates)
    known = {widget_id for job in jobs for widget_id in job.widget_ids}
    rows: defaultdict[str, list[Seen]] = defaultdict(list)
    accounted: set[str] = set()
    for row in table:
        if row.widget_id and row.widget_id in known:
            accounted.add(row.widget_id)
        else:
            rows[row.value].append(row)
    rivals = Counter(job.value for job in jobs if job.doubtful or not job.widget_ids & accounted)
    return [_judge_one(job, rows[job.value], rivals[job.value]) for job in jobs if job.doubtful]


def _judge_one(job: Candidate, rows: Sequence[Seen], rivals: int) -> Judged:
    if not job.value:
        return Judged(job.number, "", Finding.UNCLEAR, "it has no value there")
    if not rows:
        return Judged(job.number, job.value, Finding.ABSENT)
    if len(rows) > 1:
        return Judged(job.number, job.value, Finding.UNCLEAR, f"{len(rows)} rows have it")
    if rivals > 1:
        return Judged(job.number, job.value, Finding.UNCLEAR, f"{rivals} jobs have it")
    return Judged(job.number, job.value, Finding.MATCHED, seen=rows[0])


def read_table(path: Path, column: str, *, id_column: str = "", key_column: str = "") -> list[Seen]:
    """
    The rows of a CSV file that has a header. Encoding and delimiter are found out.

    Raises: InvalidInputError if it cannot be read, or has no such column.
    """
    wanted = [name for name in (column, id_column, key_column) if name]
    try:
        with path.open("rb") as stream:
            chunks = iter(lambda: stream.read(1 << 16), b"")
            table = CsvRows(Lines(chunks), familiar=lambda header: header in wanted)
            for name in wanted:
                if name not in table.headers:
                    raise InvalidInputError(
                        f"{path} has no column {name!r}", hint=f"it has: {', '.join(table.headers)}"
                    )
            return [_seen(row, table.headers, column, id_column, key_column) for row in table]
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read ({error.strerror})") from error


def _seen(
    row: RawRow | InvalidInputError, headers: Sequence[str], column: str, id_column: str, key_column: str
) -> Seen:
    if not isinstance(row, RawRow):
        raise row
    cells: Mapping[str, str] = dict(zip(headers, row.cells, strict=False))
    of = {name: cells.get(name, "").strip() for name in (column, id_column, key_column)}
    return Seen(of[column], of[id_column] if id_column else "", of[key_column] if key_column else "")


def value_at(body: Mapping[str, Any], path: str) -> str:
    """
    What stands at a dotted path of a body, as a cell would show it; empty if nothing does.

    >>> value_at({"bot": {"id": "100"}}, "bot.id"), value_at({}, "bot.id")
    ('100', '')
    """
    here: Any = body
    for part in path.split("."):
        if not isinstance(here, Mapping) or part not in here:
            return ""
        here = here[part]
    return here.strip() if isinstance(here, str) else msgspec.json.encode(here).decode()


async def candidates(ledger: Ledger, batch: str, path: str) -> AsyncIterator[Candidate]:
    """Every job of a batch for which a widget may exist, with its value at a dotted path of its body."""
    page: list[JobRecord] = []
    async for job in ledger.view.jobs(batch):
        if job.bounds.most > 0:
            page.append(job)
        if len(page) == PAGE:
            for candidate in await _of(ledger, batch, path, page):
                yield candidate
            page = []
    for candidate in await _of(ledger, batch, path, page):
        yield candidate


async def _of(ledger: Ledger, batch: str, path: str, page: Sequence[JobRecord]) -> list[Candidate]:
    bodies = await ledger.view.bodies(batch, [job.number for job in page])
    return [
        Candidate(
            job.number,
            value_at(msgspec.json.decode(body), path) if body else "",
            job.state is State.IN_DOUBT,
            _widgets(job),
        )
        for job, body in zip(page, bodies, strict=True)
    ]


def _widgets(job: JobRecord) -> frozenset[str]:
    results = [*([job.result] if job.result else []), *job.late_results]
    return frozenset(result.widget_id for result in results if result.widget_id)


def result_of(seen: Seen) -> Result | None:
    """The widget that a row tells of; None if it names none."""
    if not seen.widget_id and not seen.widget_key:
        return None
    return Result(widget_id=seen.widget_id, key=seen.widget_key)
