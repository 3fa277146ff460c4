"""Routes that accept jobs."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Collection, Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.answers import json_answer, refusals
from api.content import charset, check_json, media_type
from api.examples import BATCH_BODIES, ONE_JOB
from api.idempotent import once
from api.models import TakenBatch, TakenOne
from api.openapi_headers import headers
from api.problem import Kind, ProblemError
from api.request import Submitter, read_body, state_of
from api.small_json import check_unique_names
from api.upload import (
    FORMATS,
    UploadRequest,
    in_http_words,
    new_file,
    problems_json,
    spool,
    take_in,
    workbook_bounds,
)
from producers.batch_name import check_batch_name
from producers.files.file_kinds import Format
from producers.files.json_text import decode
from producers.files.jsonl import job_of
from producers.files.mapping_file import pair
from producers.files.read_options import ReadOptions
from producers.known_credentials import unknown_credential
from provisioning.errors import InvalidInputError
from provisioning.job import NewJob, Verdict, split_job_id
from provisioning.ledger.tokens import Scope, Token

router = APIRouter(tags=["Submit"])

IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and the same request get the same answer for two days.",
    "schema": {"type": "string", "pattern": '^"?[!#-~]{1,255}"?$'},
}


AS_IS = (
    "Columns whose ids are accepted unchanged: of `bot.id`, `key`, `credentials.whiteList` and "
    "`credentials.blackList`."
)

Justification = Annotated[
    str,
    Query(
        alias="because",
        min_length=1,
        max_length=500,
        description="Reason for accepting a second widget for jobs that ended and may have one; "
        "recorded with the jobs and in the audit. Also needs the scope `operate`. "
        "Without a reason, such jobs are not queued.",
    ),
]


def _links(name: str, *operations: str) -> dict[str, Any]:
    """OpenAPI's links from an answer to the operations that take the id in it."""
    parameters = {name: f"$response.body#/{name}"}
    return {each: {"operationId": each, "parameters": parameters} for each in operations}


@router.post(
    "/v1/batches",
    status_code=202,
    response_class=Response,
    responses={
        202: {
            "model": TakenBatch,
            "description": "The accepted rows are in the ledger.",
            "headers": headers("Location", "Idempotent-Replayed"),
            "links": _links(
                "batch", "show_batch", "list_jobs", "follow", "pause", "resume", "cancel", "redrive"
            ),
        },
        **refusals(
            Kind.BAD_KEY,
            Kind.IN_PROGRESS,
            Kind.TOO_LARGE,
            Kind.WRONG_TYPE,
            Kind.BAD_ROWS,
            Kind.NO_ROOM,
            Kind.OTHER_BODY,
            Kind.FULL,
            Kind.BUSY,
        ),
    },
    openapi_extra={"parameters": [IDEMPOTENCY], "requestBody": {"required": True, "content": BATCH_BODIES}},
)
async def submit_batch(
    request: Request,
    caller: Submitter,
    name: Annotated[
        str | None, Query(max_length=200, description="Name of the batch; an existing batch continues.")
    ] = None,
    credential: Annotated[str, Query(description="Credential for rows that name none.")] = "default",
    new_bots: Annotated[bool, Query(description="Create a new bot for a row without bot.id.")] = False,
    as_is: Annotated[list[str] | None, Query(max_length=4, description=AS_IS)] = None,
    all_or_nothing: Annotated[bool, Query(description="Refuse all rows if one row is invalid.")] = False,
    first: Annotated[
        int | None,
        Query(ge=1, description="Send only so many new jobs; then the batch is paused until `resume`."),
    ] = None,
    separator: Annotated[
        str, Query(min_length=1, max_length=10, description="Separator of list items in a cell.")
    ] = ";",
    delimiter: Annotated[
        str | None, Query(min_length=1, max_length=1, description="Separator of cells; detected by default.")
    ] = None,
    encoding: Annotated[str | None, Query(max_length=40, description="Text encoding.")] = None,
    sheet: Annotated[
        str | None,
        Query(max_length=200, description="Sheet of a workbook; the first visible one by default."),
    ] = None,
    map_: Annotated[
        list[str] | None, Query(alias="map", max_length=500, description="Rename a column, as OLD=NEW.")
    ] = None,
    defaults: Annotated[
        str | None, Query(description="Default body as a JSON object; the values of a row override it.")
    ] = None,
    justification: Justification = "",
) -> Response:
    """
    Submit a batch of jobs.

    Valid rows are accepted and invalid ones reported, unless `all_or_nothing` is set. Submitting the same
    body again sends nothing twice. Dead or cancelled jobs are queued again with their new body only for
    a token with the scope `operate` (verdict `redriven`, else `ended`), and never with `first`.
    """
    app_state = state_of(request)
    _check_power(caller, justification)
    kind = media_type(request)
    if kind not in FORMATS:
        raise ProblemError(Kind.WRONG_TYPE, "unsupported Content-Type", hint="one of " + ", ".join(FORMATS))
    given = frozenset(request.query_params)
    _check_heeded(given, FORMATS[kind])
    encoding = _encoding(request, FORMATS[kind], encoding)
    await app_state.fullness.check()
    try:
        options = ReadOptions(
            maps=_maps(map_ or []),
            defaults=_defaults(defaults),
            credential=credential,
            new_bots=new_bots,
            as_is=frozenset(as_is or ()),
            separator=separator,
            delimiter=delimiter,
            encoding=encoding,
            format=FORMATS[kind],
            sheet=sheet,
            bounds=workbook_bounds(app_state.settings.api_max_body),
        )
        upload = UploadRequest(
            name=None if name is None else check_batch_name(name),
            options=options,
            format=FORMATS[kind],
            all_or_nothing=all_or_nothing,
            justification=justification.strip(),
            leave_ended=_leaves_ended(caller),
            first=first,
            given=given,
        )
    except InvalidInputError as error:
        raise ProblemError(Kind.INVALID, error.message, hint=in_http_words(error.hint)) from error
    with new_file() as file:
        body = await spool(request, file, app_state.settings.api_max_body)

        async def work() -> Response:
            taken = await take_in(app_state, body, upload, caller)
            return json_answer(taken.public(), 202, {"Location": f"/v1/batches/{taken.batch}"})

        return await once(request, caller, body.sha256, work)


def _leaves_ended(caller: Token) -> bool:
    """Whether this caller's submissions leave ended jobs unchanged: they may belong to another."""
    return Scope.OPERATE not in caller.scopes


def _check_power(caller: Token, justification: str) -> None:
    """Raises: ProblemError if the token may not accept second widgets."""
    if justification.strip() and Scope.OPERATE not in caller.scopes:
        raise ProblemError(
            Kind.NO_SCOPE,
            "the token lacks the scope operate",
            hint="without because, risky jobs are not queued",
        )


def _encoding(request: Request, format_: Format | None, given: str | None) -> str | None:
    """The encoding from the Content-Type or the query; None to detect it."""
    if format_ is None:
        check_json(request)
        return None
    if format_ is Format.XLSX:
        return None  # its XML says so itself
    named = charset(request)
    if named and given and codecs.lookup(named).name != _codec(given):
        raise ProblemError(
            Kind.INVALID, "encoding and the charset in Content-Type differ", hint="send only one of them"
        )
    return given or named


def _codec(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        return ""  # the reader refuses it


_TEXT_TABLES = (Format.CSV, Format.TSV)

_HEEDED_BY: Mapping[str, Collection[Format]] = {
    "separator": (*_TEXT_TABLES, Format.XLSX),
    "map": (*_TEXT_TABLES, Format.XLSX),
    "delimiter": _TEXT_TABLES,
    "encoding": (*_TEXT_TABLES, Format.JSONL),
    "sheet": (Format.XLSX,),
}
"""The kinds of body that a setting applies to; of others, to all."""


def _check_heeded(given: frozenset[str], format_: Format | None) -> None:
    """Raises: ProblemError if a setting is given that does not apply to this kind of body."""
    unheeded = sorted(name for name in given if format_ not in _HEEDED_BY.get(name, (format_,)))
    if unheeded:
        raise ProblemError(
            Kind.INVALID,
            f"{', '.join(unheeded)}: not allowed with this Content-Type; nothing was submitted",
            hint="omit it",
        )


def _maps(pairs: list[str]) -> dict[str, str]:
    maps = {}
    for text in pairs:
        if (mapped := pair(text)) is None:
            raise InvalidInputError("map must be OLD=NEW", hint="example: map=bot_id%3Dbot.id")
        old, new = mapped
        maps[old] = new
    return maps


def _defaults(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        return msgspec.convert(decode(text), dict[str, Any])
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as error:
        raise InvalidInputError(f"defaults is not a valid JSON object: {error}") from error


@router.post(
    "/v1/jobs",
    status_code=202,
    response_class=Response,
    responses={
        200: {
            "model": TakenOne,
            "description": "The widget exists already.",
            "headers": headers("Location", "Idempotent-Replayed"),
        },
        202: {
            "model": TakenOne,
            "description": "The job is in the ledger and will be sent.",
            "headers": headers("Location", "Idempotent-Replayed"),
            "links": _links("job", "show_job", "resolve"),
        },
        **refusals(
            Kind.BAD_KEY,
            Kind.IN_PROGRESS,
            Kind.NOT_ACCEPTED,
            Kind.TOO_LARGE,
            Kind.WRONG_TYPE,
            Kind.BAD_ROWS,
            Kind.OTHER_BODY,
            Kind.FULL,
        ),
    },
    openapi_extra={"parameters": [IDEMPOTENCY], "requestBody": {"required": True, "content": ONE_JOB}},
)
async def submit_job(
    request: Request,
    caller: Submitter,
    new_bots: Annotated[bool, Query(description="Create a new bot for a job without bot.id.")] = False,
    as_is: Annotated[list[str] | None, Query(max_length=4, description=AS_IS)] = None,
    justification: Justification = "",
) -> Response:
    """
    Submit one job. It is in the ledger before the answer, and is sent before all files.

    A dead or cancelled job is queued again only for a token with the scope `operate`.
    """
    app_state = state_of(request)
    _check_power(caller, justification)
    if media_type(request) != "application/json":
        raise ProblemError(Kind.WRONG_TYPE, "send a job as JSON", hint="Content-Type: application/json")
    check_json(request)
    await app_state.fullness.check()
    body = await read_body(request)

    async def work() -> Response:
        return await _take_one(request, caller, body, new_bots, frozenset(as_is or ()), justification.strip())

    return await once(request, caller, hashlib.sha256(body).hexdigest(), work)


_NOT_ACCEPTED = {
    Verdict.DEAD: "the job is dead and its body is unchanged; an operator must redrive it",
    Verdict.RISKY: "the job is dead and may have created a widget; an operator must redrive it",
    Verdict.ENDED: "the job is dead or cancelled; to queue it again needs the scope operate",
    Verdict.CHANGED: "the widget was created or attempted with another body; this one is not sent",
    Verdict.IN_DOUBT: "the widget may exist already; a person must resolve the job first",
}


async def _take_one(
    request: Request, caller: Token, body: bytes, new_bots: bool, as_is: frozenset[str], justification: str
) -> Response:
    check_unique_names(body)
    try:
        value = decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProblemError(Kind.INVALID, f"the body is not valid JSON: {error}") from None
    except RecursionError:
        raise ProblemError(Kind.INVALID, "the body is nested too deeply") from None
    try:
        options = ReadOptions(new_bots=new_bots, as_is=as_is)
    except InvalidInputError as error:
        raise ProblemError(Kind.INVALID, error.message, hint=error.hint) from error
    known = await state_of(request).credentials.names()
    job = job_of(value, options)
    if isinstance(job, NewJob) and known is not None and job.credential not in known:
        job = [unknown_credential(None)]
    if not isinstance(job, NewJob):
        raise ProblemError(
            Kind.BAD_ROWS,
            "the job is invalid",
            problem_count=len(job),
            problems=problems_json(job),
        )
    word = await state_of(request).single.hand_over(
        job, caller.name, owner=caller.owner, justification=justification, leave_ended=_leaves_ended(caller)
    )
    facts: dict[str, Any] = {
        "job": word.job_id,
        "batch": split_job_id(word.job_id)[0],
        "key": job.key,
        "verdict": str(word.verdict),
    }
    if word.verdict in _NOT_ACCEPTED:
        raise ProblemError(Kind.NOT_ACCEPTED, _NOT_ACCEPTED[word.verdict], **facts)
    where = {"Location": f"/v1/jobs/{word.job_id}"}
    return json_answer(facts, 200 if word.verdict is Verdict.SUCCEEDED else 202, where)
