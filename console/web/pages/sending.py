"""Sending a file: choose it, see what its columns mean, what is wrong, what will be sent."""

from __future__ import annotations

import asyncio
import csv
import io
import tempfile
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import Path as PathParameter
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from api.request import state_of
from console.web.draft_file import MEANINGS, Problem, Words, cells_of, write_corrected
from console.web.draft_work import DraftWork, batch_name_of, choices_of, file_name, findings_of
from console.web.pages.jobs import indented
from console.web.render import language_of, page
from console.web.route import check_scope, pages
from console.web.visitor import Visiting, Visitor
from console.web.widget_drawing import drawing_of
from outcomes.masking import masked
from producers.files.cells import escape, guard
from producers.one_row import row_of
from provisioning.errors import InvalidInputError
from provisioning.job import NewJob
from provisioning.ledger.drafts import Draft, DraftState
from provisioning.ledger.tokens import Scope

router = pages()

ENCODINGS = ("utf-8", "windows-1252", "utf-16", "mac-roman")
DELIMITERS = (",", ";", "tab", "|")

SHOWN = 100
"""Problems on the page; all are in the file that can be downloaded."""


def work_of(request: Request) -> DraftWork:
    """What this server does with files under way."""
    found = request.app.state.draft_work
    if not isinstance(found, DraftWork):
        raise TypeError("the app has no DraftWork")
    return found


async def draft_of(request: Request, visitor: Visitor, draft: str) -> Draft:
    """A draft of this person. Raises: NotFoundError; ProblemError if they may not submit."""
    check_scope(visitor, Scope.SUBMIT)
    return await state_of(request).ledger.drafts.find(draft, visitor.token.id)


@router.get("/send")
async def send(request: Request, visitor: Visiting) -> Response:
    """The form for a file, and this person's files under way."""
    check_scope(visitor, Scope.SUBMIT)
    drafts = await state_of(request).ledger.drafts.of(visitor.token.id)
    return page(request, "send.html", visitor, drafts=drafts, problem=None)


@router.get("/send/{draft}")
async def draft(request: Request, visitor: Visiting, draft: str) -> Response:
    """One file: what checking has found so far, and what a person can do about it."""
    drafts = state_of(request).ledger.drafts
    found = await draft_of(request, visitor, draft)
    choices = choices_of(await drafts.choices(draft))
    findings = findings_of(await drafts.findings(draft), found.version)
    if found.state is DraftState.SENT and found.batch and not findings.bad_rows:
        return RedirectResponse(f"/batches/{found.batch}", 303)
    if not findings.ended and found.state is DraftState.OPEN:
        work_of(request).check(found, choices)
    return page(
        request,
        "draft.html",
        visitor,
        draft=found,
        problem=msgspec.json.decode(found.problem, type=Words) if found.problem else None,
        choices=choices,
        findings=findings,
        name=batch_name_of(found, choices),
        encodings=ENCODINGS,
        delimiters=DELIMITERS,
        meanings=MEANINGS,
        shown=findings.problems[:SHOWN],
    )


@router.get("/send/{draft}/rows/{row}")
async def row(
    request: Request, visitor: Visiting, draft: str, row: Annotated[int, PathParameter(ge=1, le=2_000_000)]
) -> Response:
    """One row as it will be sent: its JSON, a drawing of the widget, what the ledger knows of it."""
    app_state = state_of(request)
    found = await draft_of(request, visitor, draft)
    choices = choices_of(await app_state.ledger.drafts.choices(draft))
    path = await work_of(request).file_of(found)
    known = await app_state.credentials.names()
    job = await asyncio.to_thread(row_of, path, row, choices.options, known_credentials=known)
    if isinstance(job, NewJob):
        [verdict] = await app_state.ledger.queries.verdicts([job], owner=found.owner)
        shown: dict[str, Any] = {
            "job": job,
            "verdict": verdict,
            "body": indented(masked(job.body)),
            "drawing": drawing_of(job.body, job.label or job.key),
            "problems": [],
        }
    else:
        cells = await asyncio.to_thread(cells_of, path, choices, row)
        shown = {"job": None, "cells": cells, "problems": [Problem.of(each) for each in job]}
    return page(request, "draft_row.html", visitor, draft=found, row=row, **shown)


@router.get("/send/{draft}/problems.csv")
async def problems(request: Request, visitor: Visiting, draft: str) -> Response:
    """The problems of a file, for a spreadsheet."""
    drafts = state_of(request).ledger.drafts
    found = await draft_of(request, visitor, draft)
    findings = findings_of(await drafts.findings(draft), found.version)
    language = language_of(request)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("row", "field", "problem", "value", "hint"))
    for each in findings.problems:
        texts = (each.field, each.message[language], each.value, each.hint[language])
        writer.writerow((each.row or "", *(escape(guard(text)) for text in texts)))
    return Response(
        out.getvalue().encode("utf-8-sig"),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="problems.csv"', "Cache-Control": "no-store"},
    )


@router.get("/send/{draft}/corrected.csv")
async def corrected(request: Request, visitor: Visiting, draft: str) -> Response:
    """The table with its corrections."""
    found = await draft_of(request, visitor, draft)
    choices = choices_of(await state_of(request).ledger.drafts.choices(draft))
    path = await work_of(request).file_of(found)
    folder = tempfile.TemporaryDirectory(prefix="corrected-")
    where = Path(folder.name) / "corrected.csv"
    try:
        await asyncio.to_thread(write_corrected, path, choices, where)
    except InvalidInputError:
        folder.cleanup()
        raise
    return FileResponse(
        where,
        media_type="text/csv; charset=utf-8",
        filename=f"{Path(file_name(found.name)).stem}-corrected.csv",
        headers={"Cache-Control": "no-store"},
        background=BackgroundTask(folder.cleanup),
    )
