"""Settling jobs in doubt by a table of the widgets that exist: choose it, look at what it tells, confirm."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.problem import Kind, ProblemError
from api.request import state_of
from console.web.draft_work import file_name
from console.web.fields import back_to
from console.web.multipart import UploadedForm, uploaded_form
from console.web.render import _N, language_of, page
from console.web.route import check_form, check_scope, form_of, pages
from console.web.visitor import Visiting, Visitor, batch_of
from console.words import translate
from outcomes.reconciliation import Finding, candidates, incomplete_reason, judge, read_table, result_of
from producers.files.package import UPLOADED
from provisioning.errors import InvalidInputError
from provisioning.ledger import Ledger, Selection, transitions
from provisioning.ledger.bulk_acts import Asked, Verb, new_id
from provisioning.ledger.tokens import Scope
from provisioning.lifecycle import State
from provisioning.text import Text

router = pages()

MOST_BYTES: Final = 32 << 20
"""Bytes of a table: that of some hundred thousand widgets."""

MOST_JOBS: Final = 200_000
"""Jobs of a batch whose bodies one request compares."""

SHOWN: Final = 50
"""Unclear jobs on the preview."""

AT_ONCE: Final = 1.0
"""As `bulk_act_forms.AT_ONCE`."""


class Preview(msgspec.Struct, frozen=True):
    """
    What a table tells of the jobs in doubt.

    Attributes:
        rows: of the table, and how many of them could be read.
        matched, absent, unclear: jobs, by what was found.
        examples: some of the unclear ones: id of the job, its value, why.
        notes: how the table was read.
    """

    rows: int
    understood: int
    matched: int
    absent: int
    unclear: int
    send_absent: bool
    examples: list[tuple[str, str, str]]
    notes: list[str]


@router.get("/batches/{batch}/reconcile")
async def form(request: Request, visitor: Visiting, batch: str) -> Response:
    """The form for a table."""
    return await _form(request, visitor, await batch_of(request, visitor, batch), {}, None)


async def _form(
    request: Request, visitor: Visitor, batch: str, fields: Mapping[str, str], problem: tuple[str, str] | None
) -> Response:
    ledger = state_of(request).ledger
    return page(
        request,
        "reconcile.html",
        visitor,
        status=422 if problem else 200,
        batch=await ledger.queries.status(batch),
        examples=await _examples(ledger, batch),
        fields=fields,
        problem=problem,
    )


async def _examples(ledger: Ledger, batch: str) -> dict[str, str]:
    """Paths in the body of a job in doubt, each with its value: what a column may hold."""
    async for job in ledger.queries.jobs(batch, Selection(State.IN_DOUBT)):
        body = await ledger.queries.body(job.job_id)
        return dict(_leaves(msgspec.json.decode(body))) if body else {}
    return {}


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, str) and value and path:
        yield path, value[:60]


@router.post("/batches/{batch}/reconcile")
async def look(request: Request, visitor: Visiting, batch: str) -> Response:
    """What a table tells of the jobs in doubt; nothing is changed yet."""
    check_scope(visitor, Scope.OPERATE)
    app_state = state_of(request)
    found = await batch_of(request, visitor, batch)
    async with app_state.uploads.place(visitor.token.id):
        uploaded = await uploaded_form(request, MOST_BYTES)
        fields = check_form(dict(uploaded.fields), visitor)
        try:
            id_ = await _draft(app_state.ledger, visitor, found, fields, uploaded)
        except InvalidInputError as error:
            language = language_of(request)
            hint = "" if "--" in error.hint else translate(error.advice, language)
            return await _form(request, visitor, found, fields, (translate(error.text, language), hint))
    return back_to(f"/bulk-acts/{id_}")


async def _draft(
    ledger: Ledger, visitor: Visitor, batch: str, fields: Mapping[str, str], uploaded: UploadedForm
) -> str:
    """Records what a table tells as a draft. Returns: its id. Raises: InvalidInputError."""
    match = fields.get("match", "").strip()
    if uploaded.file is None or not match:
        raise InvalidInputError(_N("Choose a file, and what its column holds"))
    status = await ledger.queries.status(batch)
    if status.accepted > MOST_JOBS:
        raise InvalidInputError(
            Text(
                "the batch has more than {most:,} jobs: use provision reconcile on the command line",
                most=MOST_JOBS,
            )
        )
    send_absent = bool(fields.get("absent"))
    with tempfile.TemporaryDirectory(prefix="reconcile-") as folder:
        path = Path(folder) / file_name(uploaded.name)
        with path.open("wb") as copy:
            await asyncio.to_thread(shutil.copyfileobj, uploaded.file, copy)
        table = await asyncio.to_thread(
            read_table,
            path,
            fields.get("column", "").strip() or match,
            id_column=fields.get("id_column", "").strip(),
            key_column=fields.get("key_column", "").strip(),
            bounds=UPLOADED,
        )
    # What comes into doubt from now on is not what the table tells of.
    until = await ledger.queries.now()
    jobs = [each async for each in candidates(ledger, batch, match)]
    if send_absent and (reason := incomplete_reason(table, jobs)):
        raise InvalidInputError(
            Text("jobs that are not in the table cannot be sent again: {reason}", reason=reason)
        )
    judged = await asyncio.to_thread(judge, jobs, table.rows)
    counts = Counter(each.finding for each in judged)
    if not judged:
        raise InvalidInputError(_N("No job of the batch is in doubt"))
    resolutions = [
        transitions.resolution(
            each.number,
            created=each.finding is Finding.MATCHED,
            result=result_of(each.seen) if each.seen else None,
        )
        for each in judged
        if each.finding is Finding.MATCHED or (each.finding is Finding.ABSENT and send_absent)
    ]
    unclear = [each for each in judged if each.finding is Finding.UNCLEAR]
    preview = Preview(
        rows=table.total,
        understood=len(table.rows),
        matched=counts[Finding.MATCHED],
        absent=counts[Finding.ABSENT],
        unclear=len(unclear),
        send_absent=send_absent,
        examples=[(f"{batch}.{each.number}", each.value, str(each.reason)) for each in unclear[:SHOWN]],
        notes=[*(str(problem) for problem in table.problems[:SHOWN]), *map(str, table.notes)],
    )
    asked = Asked(
        id=new_id(),
        verb=Verb.RECONCILE,
        batch=batch,
        owner=status.owner,
        actor=visitor.token.name,
        wanted=Selection(State.IN_DOUBT, until=until),
        expected=len(resolutions),
        asked_at=until,
        source=str(table.name),
    )
    await ledger.bulk_acts.draft(asked, resolutions, msgspec.json.encode(preview))
    return asked.id


@router.post("/bulk-acts/{bulk_act}/begin")
async def begin(request: Request, visitor: Visiting, bulk_act: str) -> Response:
    """Carries out what the person has looked at."""
    await form_of(request, visitor, Scope.OPERATE)
    app_state = state_of(request)
    act = await app_state.ledger.bulk_acts.find(bulk_act, visitor.token.sees)
    if act.asked.actor != visitor.token.name:
        raise ProblemError(Kind.INVALID, _N("Only who has sent the table can settle the jobs by it."))
    await app_state.ledger.bulk_acts.begin(bulk_act)
    app_state.bulk_acts.wake()
    await app_state.bulk_acts.wait(bulk_act, AT_ONCE)
    return back_to(f"/bulk-acts/{bulk_act}")
