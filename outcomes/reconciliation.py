"""
Resolves jobs in doubt with a list of existing widgets, such as a table exported from the company's console.

A doubtful job and a row of the table match if they have the same value, and no other job or row has it. If
more than one job or row has it, the match is unclear, and nothing is done. A job counts as absent only if
every row of the table could be read, and no row has a similar value.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from producers.files.body import bad_character_in_name, shorten, spreadsheet_damage
from producers.files.header_row import HeaderRule
from producers.files.id_shapes import IdShapes
from producers.files.identifiers import no_name
from producers.files.package import OWN_FILE, Bounds
from producers.files.table import Table
from provisioning.attempt import Result
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.ledger import JobRecord, Ledger
from provisioning.lifecycle import State
from provisioning.text import AnyText, Text, joined

PAGE = 500

_PIECE = re.compile(r"\w(?:[\w.@+-]*\w)?")
"""What may stand among other words in a cell and be some job's value, such as the end of an address."""


class Finding(StrEnum):
    """The result for a doubtful job."""

    MATCHED = "matched"  # one row has its value, and no other job
    ABSENT = "absent"  # no row has it
    UNCLEAR = "unclear"  # several do, or one nearly does, or the job has no value there


@dataclass(frozen=True, slots=True)
class Seen:
    """
    One row of the table.

    Attributes:
        value: what it is matched by.
        widget_id: empty where the table has no such column.
        widget_key: likewise.
        row: its number, as a spreadsheet counts.
    """

    value: str
    widget_id: str = ""
    widget_key: str = field(default="", repr=False)
    row: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job for which a widget may exist, with its value and, if it is known, its widget."""

    number: int
    value: str
    doubtful: bool
    widget_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Judged:
    """A doubtful job, its finding, the reason if that is unclear, and its row if it has one."""

    number: int
    value: str
    finding: Finding
    reason: AnyText = ""
    seen: Seen | None = None


def judge(candidates: Iterable[Candidate], table: Iterable[Seen]) -> list[Judged]:
    """
    The finding for each doubtful job, in order.

    A row whose widget and value are known to be another job's is accounted for, and so is that job.
    """
    jobs = list(candidates)
    known: defaultdict[str, set[str]] = defaultdict(set)
    for job in jobs:
        for widget_id in job.widget_ids:
            known[widget_id].add(_resembling(job.value))
    rows: defaultdict[str, list[Seen]] = defaultdict(list)
    accounted: set[str] = set()
    for row in table:
        if row.widget_id and not {"", _resembling(row.value)}.isdisjoint(known.get(row.widget_id, ())):
            accounted.add(row.widget_id)
        else:
            rows[row.value].append(row)
    rivals = Counter(job.value for job in jobs if job.doubtful or not job.widget_ids & accounted)
    exact = {job.value for job in jobs}
    # A row that is exactly some job's is that job's, whatever it resembles besides.
    alike: dict[str, Seen] = {}
    for value, found in rows.items():
        if value not in exact:
            for piece in (value, *_PIECE.findall(value)):
                alike.setdefault(_resembling(piece), found[0])
    alike.pop("", None)
    return [
        _judge_one(job, rows.get(job.value, ()), rivals[job.value], _like(job.value, alike), known)
        for job in jobs
        if job.doubtful
    ]


def _like(value: str, alike: Mapping[str, Seen]) -> Seen | None:
    bare = _resembling(value)
    return alike.get(bare) or alike.get(_rounded(bare))


def _judge_one(
    job: Candidate, rows: Sequence[Seen], rivals: int, like: Seen | None, known: Collection[str]
) -> Judged:
    if not job.value:
        return Judged(job.number, "", Finding.UNCLEAR, Text("the job has no value there"))
    if not rows and like is not None:
        return Judged(
            job.number,
            job.value,
            Finding.UNCLEAR,
            Text("{where} has {value}, which is similar", where=_where(like), value=shorten(like.value)),
        )
    if not rows:
        return Judged(job.number, job.value, Finding.ABSENT)
    if len(rows) > 1:
        return Judged(
            job.number, job.value, Finding.UNCLEAR, Text("{count} rows have this value", count=len(rows))
        )
    if rows[0].widget_id in known:
        return Judged(
            job.number,
            job.value,
            Finding.UNCLEAR,
            Text("{where} has this value beside another job's widget", where=_where(rows[0])),
        )
    if rivals > 1:
        return Judged(
            job.number, job.value, Finding.UNCLEAR, Text("{rivals} jobs have this value", rivals=rivals)
        )
    return Judged(job.number, job.value, Finding.MATCHED, seen=rows[0])


def _where(seen: Seen) -> Text:
    return Text("row {row}", row=seen.row) if seen.row else Text("a row")


@dataclass(frozen=True, slots=True)
class SeenTable:
    """
    The rows of a table, and the problems in reading it.

    Attributes:
        rows: those that could be read, in order.
        problems: one for each row that could not; its value may be that of any job.
        notes: how it was read, for a person.
    """

    name: AnyText
    rows: tuple[Seen, ...]
    problems: tuple[InvalidJobError, ...] = ()
    notes: tuple[Text, ...] = ()

    @property
    def total(self) -> int:
        """Rows that are not blank."""
        return len(self.rows) + len(self.problems)


def read_table(
    path: Path,
    column: str,
    *,
    id_column: str = "",
    key_column: str = "",
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    bounds: Bounds = OWN_FILE,
) -> SeenTable:
    """
    The rows of a table that has a header: CSV, TSV or .xlsx, also packed or from a pipe (`-`).

    Raises: InvalidInputError if it cannot be read, or has no such column, or has one twice.
    """
    wanted = [name for name in (column, id_column, key_column) if name]
    rows: list[Seen] = []
    problems: list[InvalidJobError] = []
    shapes = IdShapes(Text("values"))
    rule = HeaderRule(familiar=wanted.__contains__, certain=lambda headers: column in headers)
    with Table.at(path, rule, encoding=encoding, delimiter=delimiter, sheet=sheet, bounds=bounds) as table:
        for name in wanted:
            if table.headers.count(name) != 1:
                facts = {"name": table.name, "column": name}
                raise InvalidInputError(
                    Text("{name} has no column {column!r}", **facts)
                    if name not in table.headers
                    else Text("{name} has more than one column {column!r}", **facts),
                    hint=Text("columns: {headers}", headers=", ".join(table.headers)),
                )
        at = table.headers.index(column)
        others = {name: table.headers.index(name) for name in (id_column, key_column) if name}
        for row in table.texts([at, *others.values()], alike=at):
            if isinstance(row, InvalidJobError):
                problems.append(row)
                continue
            value = row.cells[at].strip()
            widget = row.cells[others[id_column]].strip() if id_column else ""
            key = row.cells[others[key_column]].strip() if key_column else ""
            if wrong := _damage(value, blank=Text("the cell is empty")):
                problems.append(InvalidJobError(wrong, row=row.number, field=column, value=shorten(value)))
            elif wrong := _damage(widget):
                problems.append(
                    InvalidJobError(wrong, row=row.number, field=id_column, value=shorten(widget))
                )
            elif wrong := _damage(key):
                problems.append(InvalidJobError(wrong, row=row.number, field=key_column, value="(not shown)"))
            else:
                shapes.see(value, row.number)
                rows.append(Seen(value, widget, key, row.number))
        notes: tuple[Text, ...] = (*table.notes, *shapes.notes())
        return SeenTable(table.name, tuple(rows), tuple(problems), notes)


def _damage(text: str, *, blank: AnyText = "") -> AnyText:
    """
    What tells that a cell is not what it once was, in words; empty if nothing does.

    Args:
        blank: what is said of an empty cell, where there must be a value; empty where there need be none.
    """
    if not text:
        return blank
    if wrong := bad_character_in_name(text):
        return Text("the cell {wrong}", wrong=wrong)
    if "\ufffd" in text:
        return Text("the cell holds U+FFFD: a character was lost before")
    if wrong := spreadsheet_damage(text):
        return Text("the cell {wrong}", wrong=wrong)
    if blank and (nothing := no_name(text)):
        return Text("the cell {wrong}", wrong=nothing[0])
    return ""


def incomplete_reason(table: SeenTable, jobs: Iterable[Candidate]) -> Text | None:
    """
    The reason why a table may be incomplete, so that absence from it proves nothing; None if it looks
    complete.

    Absence requires every row: one unreadable value may be that of any job. A table without any of the
    widgets that are known to exist is incomplete too.
    """
    if not table.total:
        return Text("{name} has headers but no rows", name=table.name)
    if table.problems:
        first = table.problems[0]
        row = Text("row {row}", row=first.row)
        problem = Text("{problem} ({value})", problem=first.text, value=first.value)
        return Text(
            (
                "{bad:,} of the {all:,} rows of {name} could not be read, and any job may belong to "
                "them; {where}: {problem}"
            ),
            bad=table.total - len(table.rows),
            all=table.total,
            name=table.name,
            where=joined(", ", [row, first.field]),
            problem=problem if first.value else first.text,
        )
    known = [job for job in jobs if not job.doubtful]
    values = {row.value for row in table.rows}
    if known and not any(job.value in values for job in known):
        return Text(
            (
                "{name} shows none of the {count:,} other jobs of the batch that have a "
                "widget, or may have one"
            ),
            name=table.name,
            count=len(known),
        )
    return None


def _resembling(value: str) -> str:
    """What is left of a value without all that programs and people change: equal for look-alikes."""
    folded = unicodedata.normalize("NFKC", value).casefold()
    return "".join(filter(str.isalnum, folded)).lstrip("0")


def _rounded(value: str) -> str:
    """A long number as a spreadsheet stores it: digits beyond the fifteenth are zeros."""
    return value[:15] + "0" * (len(value) - 15) if value.isdecimal() and len(value) > 15 else value


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
    async for job in ledger.queries.jobs(batch):
        if job.bounds.most > 0:
            page.append(job)
        if len(page) == PAGE:
            for candidate in await _of(ledger, batch, path, page):
                yield candidate
            page = []
    for candidate in await _of(ledger, batch, path, page):
        yield candidate


async def _of(ledger: Ledger, batch: str, path: str, page: Sequence[JobRecord]) -> list[Candidate]:
    bodies = await ledger.queries.bodies(batch, [job.number for job in page])
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
