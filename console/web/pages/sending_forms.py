"""What a person says of a file under way: its columns, how it is read, corrections, and that it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.problem import Kind, ProblemError
from api.request import state_of
from console.web.draft_file import MEANINGS, Choices, check_maps
from console.web.draft_work import Order, batch_name_of, cell_at, choices_of, file_name, findings_of
from console.web.fields import back_to
from console.web.multipart import uploaded_form
from console.web.pages.sending import DELIMITERS, ENCODINGS, draft_of, work_of
from console.web.render import _N, language_of, page
from console.web.route import check_form, check_scope, form_of, pages
from console.web.visitor import Visiting, Visitor
from console.words import translate
from producers.batch_name import check_batch_name
from producers.files.corrections import Corrections
from provisioning.errors import InvalidInputError
from provisioning.ledger.drafts import MOST_BYTES, Draft, DraftState
from provisioning.ledger.tokens import Scope

router = pages()

MOST_CORRECTIONS: Final = 5000
"""Cells and values that a person corrects in one file."""

STALE: Final = _N("The file was changed since this page was shown: look at it again.")

LONGEST_CELL: Final = 10_000
LONGEST_NAME: Final = 200


@router.post("/send")
async def upload(request: Request, visitor: Visiting) -> Response:
    """Stores a file, and begins to check it."""
    check_scope(visitor, Scope.SUBMIT)
    app_state = state_of(request)
    drafts = app_state.ledger.drafts
    await app_state.fullness.check()
    async with app_state.uploads.place(visitor.token.id):
        form = await uploaded_form(request, MOST_BYTES + 100_000)
        check_form(dict(form.fields), visitor)
        token = visitor.token
        try:
            draft = await drafts.make(
                token.id,
                token.owner,
                token.name,
                file_name(form.name),
                form.file.read if form.file else _nothing,
            )
        except InvalidInputError as error:
            mine = await drafts.of(visitor.token.id)
            return page(
                request,
                "send.html",
                visitor,
                status=422,
                drafts=mine,
                problem=translate(error.text, language_of(request)),
            )
    work_of(request).check(draft, Choices())
    return back_to(f"/send/{draft.id}")


def _nothing(_: int) -> bytes:
    """The content of no file."""
    return b""


async def _form_and_draft(
    request: Request, visitor: Visitor, draft: str
) -> tuple[dict[str, str], Draft, Choices]:
    form = await form_of(request, visitor, Scope.SUBMIT)
    found = await draft_of(request, visitor, draft)
    # A form of an older page may mean another row or column than it did.
    if _number_of(form, "version") != found.version:
        raise ProblemError(Kind.INVALID, STALE)
    return form, found, choices_of(await state_of(request).ledger.drafts.choices(draft))


async def _choose(request: Request, draft: Draft, choices: Choices) -> Response:
    """Stores other choices, and checks the file with them."""
    changed = await state_of(request).ledger.drafts.choose(draft, msgspec.json.encode(choices))
    if changed is None:
        raise ProblemError(Kind.INVALID, STALE)
    work_of(request).check(changed, choices)
    return back_to(f"/send/{draft.id}")


@router.post("/send/{draft}/mapping")
async def mapping(request: Request, visitor: Visiting, draft: str) -> Response:
    """Says what the columns mean; the same headers mean the same next time."""
    form, found, choices = await _form_and_draft(request, visitor, draft)
    drafts = state_of(request).ledger.drafts
    columns = findings_of(await drafts.findings(draft), found.version).columns
    maps = {column.header: form.get(f"column-{number}", "") for number, column in enumerate(columns)}
    if not maps or any(path and path not in MEANINGS and path not in maps for path in maps.values()):
        raise ProblemError(Kind.INVALID, _N("The form is not complete: load its page again."))
    check_maps(maps)
    return await _choose(request, found, msgspec.structs.replace(choices, maps=maps, recalled=False))


@router.post("/send/{draft}/reading")
async def reading(request: Request, visitor: Visiting, draft: str) -> Response:
    """Says how the file is to be read, and what its batch is called."""
    form, found, choices = await _form_and_draft(request, visitor, draft)
    encoding, delimiter = form.get("encoding", ""), form.get("delimiter", "")
    if encoding not in ("", *ENCODINGS) or delimiter not in ("", *DELIMITERS):
        raise ProblemError(Kind.INVALID, _N("The form is not complete: load its page again."))
    changed = msgspec.structs.replace(
        choices,
        encoding=encoding,
        delimiter=delimiter,
        sheet=form.get("sheet", "").strip()[:LONGEST_NAME],
        credential=form.get("credential", "").strip()[:LONGEST_NAME] or "default",
        name=form.get("name", "").strip()[:LONGEST_NAME],
    )
    if (changed.encoding, changed.delimiter, changed.sheet) != (
        choices.encoding,
        choices.delimiter,
        choices.sheet,
    ):
        # Rows and columns may be others now.
        changed = msgspec.structs.replace(changed, maps=None, recalled=False, corrections=Corrections())
    check_batch_name(batch_name_of(found, changed))
    _ = changed.options
    return await _choose(request, found, changed)


@router.post("/send/{draft}/cell")
async def cell(request: Request, visitor: Visiting, draft: str) -> Response:
    """Corrects a cell, or its value in the whole column."""
    form, found, choices = await _form_and_draft(request, visitor, draft)
    row, header = _row_of(form), form.get("field", "")
    new = form.get("value", "")[:LONGEST_CELL]
    corrections = choices.corrections
    if form.get("column"):
        path = await work_of(request).file_of(found)
        old = await asyncio.to_thread(cell_at, path, choices, row, header)
        replaced = {**corrections.replaced, header: {**corrections.replaced.get(header, {}), old: new}}
        corrections = msgspec.structs.replace(corrections, replaced=replaced)
    else:
        cells = {**corrections.cells, row: {**corrections.cells.get(row, {}), header: new}}
        corrections = msgspec.structs.replace(corrections, cells=cells)
    _check_size(corrections)
    return await _choose(request, found, msgspec.structs.replace(choices, corrections=corrections))


@router.post("/send/{draft}/leave-out")
async def leave_out(request: Request, visitor: Visiting, draft: str) -> Response:
    """Leaves a row out."""
    form, found, choices = await _form_and_draft(request, visitor, draft)
    left_out = choices.corrections.left_out | {_row_of(form)}
    corrections = msgspec.structs.replace(choices.corrections, left_out=left_out)
    _check_size(corrections)
    return await _choose(request, found, msgspec.structs.replace(choices, corrections=corrections))


@router.post("/send/{draft}/undo")
async def undo(request: Request, visitor: Visiting, draft: str) -> Response:
    """Takes all corrections back."""
    _, found, choices = await _form_and_draft(request, visitor, draft)
    return await _choose(request, found, msgspec.structs.replace(choices, corrections=Corrections()))


@router.post("/send/{draft}/delete")
async def delete(request: Request, visitor: Visiting, draft: str) -> Response:
    """Forgets a file; nothing of it was sent."""
    _, found, _ = await _form_and_draft(request, visitor, draft)
    if not await state_of(request).ledger.drafts.delete(found):
        raise ProblemError(Kind.INVALID, _N("The file is being sent already."))
    work_of(request).drop(found.id)
    return back_to("/send")


@router.post("/send/{draft}/confirm")
async def confirm(request: Request, visitor: Visiting, draft: str) -> Response:
    """Has the rows sent that the person has looked at: all, or the first few."""
    form = await form_of(request, visitor, Scope.SUBMIT)
    app_state = state_of(request)
    drafts = app_state.ledger.drafts
    found = await draft_of(request, visitor, draft)
    if found.state is not DraftState.OPEN:
        return back_to(f"/send/{draft}")  # the form was sent twice
    if _number_of(form, "version") != found.version:
        raise ProblemError(Kind.INVALID, STALE)
    choices = choices_of(await drafts.choices(draft))
    findings = findings_of(await drafts.findings(draft), found.version)
    if not findings.ended or findings.error or findings.unmapped:
        raise ProblemError(Kind.INVALID, _N("The file is not checked to its end yet."))
    check_batch_name(batch_name_of(found, choices))
    await app_state.fullness.check()
    first = _number_of(form, "first") if form.get("how") == "first" else 0
    order = Order(found.version, await app_state.ledger.queries.now(), findings.bad_rows, first)
    if not await drafts.confirm(found, msgspec.json.encode(order)):
        raise ProblemError(Kind.INVALID, STALE)
    if choices.maps:
        await drafts.remember(found.owner, list(choices.maps), choices.maps)
    work_of(request).wake()
    return back_to(f"/send/{draft}")


def _row_of(form: Mapping[str, str]) -> int:
    return _number_of(form, "row")


def _number_of(form: Mapping[str, str], name: str) -> int:
    text = form.get(name, "").strip()
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise ProblemError(Kind.INVALID, _N("The form is not complete: load its page again."))
    return int(text)


def _check_size(corrections: Corrections) -> None:
    values = sum(len(cells) for cells in corrections.cells.values())
    values += sum(len(values) for values in corrections.replaced.values()) + len(corrections.left_out)
    if values > MOST_CORRECTIONS:
        raise ProblemError(
            Kind.INVALID, _N("So many corrections are made more easily in a spreadsheet: download the file.")
        )
