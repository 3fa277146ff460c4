"""
A body of many jobs, from the connection into the ledger.

It is written to disk, checked to its end, and only then submitted: of a body that cannot be read nothing is
submitted. Checking and submitting run in a thread with its own loop, so that other requests do not wait.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import IO, Any, BinaryIO, cast

from starlette.requests import Request

from api.json_batch import Settings, look_through
from api.problem import Kind, ProblemError
from api.request import check_length, too_large
from api.state import AppState
from api.watched import Watched
from producers.batch_name import check_batch_name
from producers.files.column_notes import ColumnNotes
from producers.files.file_kinds import Format
from producers.files.jsonl import read_line
from producers.files.option_words import HTTP, in_words_of
from producers.files.package import Bounds
from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from producers.files.repeats import Repeats
from producers.known_credentials import of_known
from producers.plan import checked
from producers.submit import Submission, submit
from provisioning.errors import InvalidInputError, InvalidJobError, NoRoomError
from provisioning.job import Accepted, NewJob, Verdict
from provisioning.ledger import Ledger
from provisioning.ledger.tokens import Token
from provisioning.ledger.transitions import HOMES_NOTED
from provisioning.observability.log_events import ROW_REJECTED
from provisioning.observability.logs import log_event
from provisioning.text import AnyText, Text

SHOWN = 1000
"""Most rows and problems listed in an answer; all are counted, and the ledger lists every job."""

MOST_BAD = 10_000
"""Invalid rows after which reading stops: each is logged, and nobody corrects so many one by one."""

IN_MEMORY = 1 << 20
"""Most bytes of a body that is kept in memory instead of a file."""

GZIP = b"\x1f\x8b"

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

SHEET_RATIO = 10
"""How many times more than a body a sheet may unpack to: XML of as many rows as the largest CSV has."""

OTHER_BYTES = 8 << 20
"""Bytes that any other part of a workbook may unpack to, but for its texts: lists of sheets, and styles."""

FORMATS = {
    "text/csv": Format.CSV,
    XLSX: Format.XLSX,
    "text/tab-separated-values": Format.TSV,
    "application/x-ndjson": Format.JSONL,
    "application/jsonl": Format.JSONL,
    "application/json": None,
}
"""Accepted media types; None is one JSON object with all jobs."""


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """
    The options of an upload.

    Attributes:
        name: of the batch; None to name it after its content, so that the same body goes to the same batch.
        format: None for a JSON object.
        all_or_nothing: whether one invalid row refuses them all.
        meta: stored with a new batch.
        justification: reason to accept a second widget for ended jobs; empty if that is not accepted.
        leave_ended: whether dead and cancelled jobs remain as they are.
        first: so many new jobs are sent before the batch is paused; None for all.
        given: names of the query parameters, which a JSON body may not repeat.
    """

    name: str | None
    options: ReadOptions
    format: Format | None
    all_or_nothing: bool = False
    meta: Mapping[str, str] = field(default_factory=dict)
    justification: str = ""
    leave_ended: bool = False
    first: int | None = None
    given: frozenset[str] = frozenset()


@dataclass(slots=True)
class UploadResult:
    """The result of an upload, with the first `SHOWN` rows."""

    name: str
    batch: str = ""
    rows: int = 0
    bad_rows: int = 0
    problem_count: int = 0
    problems: list[InvalidJobError] = field(default_factory=list)
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    elsewhere: Counter[str] = field(default_factory=Counter)
    handed_over: list[tuple[NewJob, Accepted]] = field(default_factory=list)
    notes: tuple[Text, ...] = ()

    def public(self) -> dict[str, Any]:
        """The answer's members."""
        return {
            "batch": self.batch,
            "name": self.name,
            "rows": self.rows,
            "accepted": self.verdicts[Verdict.NEW] + self.verdicts[Verdict.REDRIVEN],
            "bad_rows": self.bad_rows,
            "verdicts": {str(verdict): self.verdicts[verdict] for verdict in Verdict},
            "jobs": [
                {"row": job.row, "key": job.key, "job": word.job_id, "verdict": str(word.verdict)}
                for job, word in self.handed_over
            ],
            "truncated": self.verdicts.total() > len(self.handed_over) or self.problem_count > SHOWN,
            "problem_count": self.problem_count,
            "problems": problems_json(self.problems),
            "others": dict(self.others),
            "elsewhere": dict(self.elsewhere.most_common(HOMES_NOTED)),
            "notes": notes_json(self.notes),
        }


def workbook_bounds(max_body: int) -> Bounds:
    """What a workbook may unpack to on a server that takes bodies of `max_body` bytes."""
    return Bounds(sheet=SHEET_RATIO * max_body, texts=max_body, other=OTHER_BYTES)


def in_http_words(text: str) -> str:
    """A text with the query parameters of this API instead of the command line's options."""
    return in_words_of(HTTP, text)


def notes_json(notes: Iterable[AnyText]) -> list[str]:
    """Notes for a person, with this API's parameter names; no row was refused because of them."""
    return [in_http_words(str(note)) for note in notes]


def problems_json(problems: list[InvalidJobError]) -> list[dict[str, Any]]:
    """The problems of rows, without their values: those may be secrets in the wrong column."""
    return [
        {
            "row": each.row,
            "field": each.field,
            "problem": in_http_words(each.message),
            "hint": in_http_words(each.hint),
        }
        for each in problems
    ]


@dataclass(slots=True)
class Spooled:
    """A complete body, on disk, with its SHA-256."""

    file: IO[bytes]
    sha256: str
    size: int


async def spool(request: Request, file: IO[bytes], limit: int) -> Spooled:
    """
    Writes the body to `file`.

    Raises: ProblemError if it is larger than `limit` bytes, or incomplete; NoRoomError.
    """
    check_length(request, limit)
    digest = hashlib.sha256()
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large(limit)
        digest.update(part)
        try:
            file.write(part)
        except OSError as error:
            raise NoRoomError("the body", error) from error
    file.seek(0)
    return Spooled(file, digest.hexdigest(), size)


def new_file() -> IO[bytes]:
    """A file without a name: the system deletes it when the process ends, even if it is killed."""
    return cast(IO[bytes], tempfile.SpooledTemporaryFile(IN_MEMORY))


async def take_in(app_state: AppState, body: Spooled, upload: UploadRequest, caller: Token) -> UploadResult:
    """
    Checks all rows, then submits the valid ones.

    Raises: ProblemError; nothing was submitted then. LedgerUnavailableError.
    """
    known = await app_state.credentials.names()
    if app_state.settings.redis is None:
        raise RuntimeError("a server has a Redis")

    async def work() -> UploadResult:
        async with Ledger.of(app_state.settings, connections=4) as ledger:
            return await _take_in(ledger, body, upload, caller, app_state, known)

    async with app_state.uploads.place(caller.id):
        return await asyncio.to_thread(lambda: asyncio.run(work()))


async def _take_in(
    ledger: Ledger,
    body: Spooled,
    upload: UploadRequest,
    caller: Token,
    app_state: AppState,
    known: frozenset[str] | None,
) -> UploadResult:
    try:
        file = Watched(body.file)
        read = _reader(file, upload)
        rows = read.rows()
        taken = _judge(rows, known, read.upload, body, caller.name)
    except InvalidInputError as error:
        raise ProblemError(
            Kind.INVALID,
            in_http_words(error.message),
            hint=in_http_words(error.hint),
            notes=notes_json(error.notes),
        ) from error
    file.rest()
    upload = read.upload
    _refuse(taken, upload)

    def note(job: NewJob, word: Accepted) -> None:
        if len(taken.handed_over) < SHOWN:
            taken.handed_over.append((job, word))

    submission: Submission = await submit(
        ledger,
        checked(of_known(read.rows(), known), lambda _: None),
        name=taken.name,
        actor=caller.name,
        owner=caller.owner,
        notify=app_state.notifier.notify,
        justification=upload.justification,
        leave_ended=upload.leave_ended,
        first=upload.first,
        meta={"source": "HTTP", "sha256": body.sha256, "by": caller.name, **upload.meta},
        keep=True,
        on_verdict=note,
    )
    taken.batch = submission.batch
    taken.verdicts = submission.verdicts
    taken.others = submission.touched
    taken.elsewhere = submission.elsewhere
    return taken


@dataclass(frozen=True, slots=True)
class _Reader:
    """
    A body that can be read from its first row any number of times.

    Attributes:
        upload: with the settings that the body itself contains.
    """

    upload: UploadRequest
    rows: Callable[[], Reading | _JsonRows]


def _reader(file: Watched, upload: UploadRequest) -> _Reader:
    """Raises: InvalidInputError, ProblemError if the body has no accepted format."""
    file.seek(0)
    if file.read(2) == GZIP:
        # A few bytes may expand to any size; the command line accepts them, as it reads its user's own files.
        raise ProblemError(Kind.WRONG_TYPE, "compressed bodies are not accepted", hint="send it uncompressed")
    if upload.format is not None:

        def rows() -> Reading:
            file.seek(0)
            return Reading(cast(BinaryIO, file), upload.options)

        return _Reader(upload, rows)
    batch = look_through(file)
    upload = _with_settings(upload, batch.settings)
    return _Reader(upload, lambda: _JsonRows(batch.jobs(file), upload.options))


def _with_settings(upload: UploadRequest, settings: Settings) -> UploadRequest:
    """The options, completed with the settings in a JSON body."""
    for setting in Settings.__struct_fields__:
        if getattr(settings, setting) is not None and setting in upload.given:
            raise InvalidInputError(f"{setting} appears in the query and in the body", hint="send it once")
    given = {
        setting: value
        for setting in ("credential", "defaults", "new_bots")
        if (value := getattr(settings, setting)) is not None
    }
    options = replace(upload.options, **given)
    name = upload.name if settings.name is None else check_batch_name(settings.name)
    return replace(upload, name=name, options=options)


class _JsonRows:
    """
    The jobs of a JSON body, or the problem of each; iterate once.

    Attributes:
        notes: warnings for a person that stop nothing; complete at the end. An InvalidInputError while
            iterating has them as `notes`.
    """

    def __init__(self, jobs: Iterator[bytes], options: ReadOptions) -> None:
        self._seen = ColumnNotes(options.as_is)
        self._items = self._read(jobs, options)

    def __iter__(self) -> Iterator[NewJob | InvalidJobError]:
        return self._items

    def __next__(self) -> NewJob | InvalidJobError:
        return next(self._items)

    @property
    def notes(self) -> tuple[Text, ...]:
        return tuple(self._seen.notes())

    def _read(self, jobs: Iterator[bytes], options: ReadOptions) -> Iterator[NewJob | InvalidJobError]:
        try:
            for number, raw in enumerate(jobs, 1):
                job = read_line(raw.decode("utf-8", "surrogateescape"), number, options, self._seen)
                if isinstance(job, NewJob):
                    yield job
                else:
                    yield from job
        except InvalidInputError as error:
            error.notes += self.notes
            raise


def _judge(
    rows: Reading | _JsonRows, known: frozenset[str] | None, upload: UploadRequest, body: Spooled, actor: str
) -> UploadResult:
    taken = UploadResult(upload.name or f"upload-{body.sha256[:12]}")
    last: int | None = None

    def complain(problem: InvalidJobError) -> None:
        nonlocal last
        taken.problem_count += 1
        taken.bad_rows += problem.row is None or problem.row != last
        last = problem.row
        log_event(ROW_REJECTED, row=problem.row, by=actor)
        if len(taken.problems) < SHOWN:
            taken.problems.append(problem)
        if taken.bad_rows > MOST_BAD:
            taken.notes = (*repeats.notes, *rows.notes)
            raise _bad_rows(taken, f"more than {MOST_BAD:,} rows are invalid; the rest was not read, and")

    repeats = Repeats()
    good = sum(1 for _ in checked(of_known(rows, known), complain, repeats=repeats))
    taken.rows = good + taken.bad_rows
    taken.notes = (*repeats.notes, *rows.notes)
    return taken


def _refuse(taken: UploadResult, upload: UploadRequest) -> None:
    if taken.rows == 0:
        raise ProblemError(Kind.INVALID, "the body contains no jobs", notes=notes_json(taken.notes))
    if taken.bad_rows == taken.rows or (upload.all_or_nothing and taken.bad_rows):
        raise _bad_rows(taken, f"{taken.bad_rows:,} of {taken.rows:,} rows are invalid;")


def _bad_rows(taken: UploadResult, what: str) -> ProblemError:
    return ProblemError(
        Kind.BAD_ROWS,
        f"{what} nothing was submitted",
        problem_count=taken.problem_count,
        problems=problems_json(taken.problems),
        notes=notes_json(taken.notes),
    )
