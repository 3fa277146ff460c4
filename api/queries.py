"""Routes that only read: batches, jobs, outcome files."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from api.answers import NOT_MODIFIED, job_json, json_answer, next_page, readable, refusals
from api.conditional import REVALIDATE
from api.filters import CredentialName, Key, Reason, Since, Until
from api.models import Batch, BatchPage, FoundJobs, Job, JobPage, Manifest, RefusedMessages
from api.openapi_headers import headers
from api.outcome_file import FILES, HAS_KEYS, outcome_file_of
from api.owned import OwnerName, batch_of, job_of, owner_asked
from api.problem import Kind, ProblemError
from api.request import Reader, state_of
from provisioning.ledger import Selection, Tombstone
from provisioning.ledger.queries import PLACES, Place
from provisioning.ledger.refused_messages import read as read_refused
from provisioning.ledger.tokens import Scope, Token
from provisioning.lifecycle import State
from provisioning.owner import DEFAULT

router = APIRouter(tags=["Look"])

SCANNED = 5000
"""Most batches read for one page: those that a filter excludes cost time as well."""

PAGES = 10
"""Most pages of the ledger read for one page of jobs, for the same reason."""

File = Annotated[str, InPath(description="Name of the file.", json_schema_extra={"enum": list(FILES)})]
Limit = Annotated[int, Query(ge=1, le=1000, description="Maximum number of entries on a page.")]
Cursor = Annotated[str | None, Query(max_length=200, description="The `next` value of the previous page.")]


@router.get(
    "/v1/batches",
    response_class=Response,
    responses={
        200: {
            "model": BatchPage,
            "description": "One page of the list.",
            "headers": headers("ETag", "Link"),
        },
        304: NOT_MODIFIED,
        **refusals(),
    },
)
async def list_batches(
    request: Request,
    caller: Reader,
    limit: Limit = 50,
    cursor: Cursor = None,
    since: Annotated[
        float | None,
        Query(ge=0, le=1e11, description="Only batches opened at or after this time; Unix seconds."),
    ] = None,
    settled: Annotated[
        bool | None, Query(description="Only settled batches (true), or only unsettled ones (false).")
    ] = None,
    state: Annotated[State | None, Query(description="Only batches with jobs in this state.")] = None,
    owner: OwnerName = None,
) -> Response:
    """List batches, newest first."""
    app_state = state_of(request)
    whose = owner_asked(caller, owner)
    found: list[dict[str, Any]] = []
    place = _place(cursor)
    for _ in range(SCANNED // PLACES):
        page = await app_state.ledger.queries.places(place, since=since)
        for place in page:
            status = await app_state.ledger.queries.status_or_none(place[1])
            if (
                status
                and whose in (None, status.owner)
                and settled in (None, status.settled)
                and (state is None or status.states[state])
            ):
                found.append(status.public())
            if len(found) == limit:
                return _page(request, found, _cursor(place))
        if not page:
            return _page(request, found, None)
    return _page(request, found, _cursor(place) if place else None)


def _page(request: Request, found: list[dict[str, Any]], cursor: str | None) -> Response:
    sent = {"Cache-Control": REVALIDATE, **next_page(request, cursor)}
    return json_answer({"batches": found, "next": cursor}, headers=sent)


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(f"{place[0]}:{place[1]}".encode()).decode()


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    try:
        at, _, batch = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().partition(":")
        return int(at), batch
    except (binascii.Error, ValueError):
        raise ProblemError(
            Kind.INVALID, "invalid cursor", hint="use the `next` value of the previous page"
        ) from None


@router.get(
    "/v1/batches/{batch}",
    response_class=Response,
    responses={
        200: {"model": Batch, "description": "Status of the batch.", "headers": headers("ETag")},
        304: NOT_MODIFIED,
        **refusals(Kind.NOT_FOUND),
    },
)
async def show_batch(request: Request, caller: Reader, batch: str) -> Response:
    """Show the status of a batch, by id or name."""
    found = await batch_of(request, caller, batch)
    status = await state_of(request).ledger.queries.status(found)
    return json_answer(status.public(), headers={"Cache-Control": REVALIDATE})


@router.get(
    "/v1/batches/{batch}/jobs",
    response_class=Response,
    responses={
        200: {
            "model": JobPage,
            "description": "One page of the list.",
            "headers": headers("ETag", "Link"),
        },
        304: NOT_MODIFIED,
        **refusals(Kind.NOT_FOUND),
    },
)
async def list_jobs(
    request: Request,
    caller: Reader,
    batch: str,
    limit: Limit = 100,
    cursor: Annotated[
        str | None,
        Query(pattern="^[0-9]{1,15}(-[0-9]{1,15})?$", description="The `next` value of the previous page."),
    ] = None,
    state: Annotated[State | None, Query(description="Only jobs in this state.")] = None,
    reason: Reason = "",
    credential: CredentialName = "",
    key: Key = "",
    since: Since = None,
    until: Until = None,
) -> Response:
    """
    List the jobs of a batch that match all filters.

    In order of submission; with state `dead` or `in_doubt`, in order of the time they reached it.
    """
    app_state = state_of(request)
    found = await batch_of(request, caller, batch)
    wanted = Selection(state, reason, credential, key, since, until)
    if cursor and ("-" in cursor) != wanted.by_time:
        raise ProblemError(
            Kind.INVALID,
            "the cursor belongs to another list or other filters",
            hint="use the same filters for every page",
        )
    jobs: list[dict[str, Any]] = []
    pages, end = 0, ""
    async for page in app_state.ledger.queries.pages(found, wanted, after=cursor or ""):
        some = page.jobs[: limit - len(jobs)]
        jobs += [job_json(job, caller) for job in some]
        end = wanted.place(some[-1]) if len(some) < len(page.jobs) else page.end
        pages += 1
        if len(jobs) == limit or pages == PAGES:
            break
    sent = {**readable(caller), **next_page(request, end)}
    return json_answer({"jobs": jobs, "next": end or None}, headers=sent)


@router.get(
    "/v1/jobs",
    response_class=Response,
    responses={
        200: {"model": FoundJobs, "description": "The jobs found.", "headers": headers("ETag")},
        304: NOT_MODIFIED,
        **refusals(),
    },
)
async def find_jobs(
    request: Request,
    caller: Reader,
    key: Key,
    credential: CredentialName = "",
    owner: OwnerName = None,
    limit: Limit = 100,
) -> Response:
    """
    Find the jobs of a tenant in all batches, by its key.

    Of a job whose batch is past its retention only the end is known; such jobs are in `deleted`.
    """
    queries = state_of(request).ledger.queries
    jobs: list[dict[str, Any]] = []
    deleted: list[dict[str, str]] = []
    truncated = False
    async for found in queries.find(key, credential, owner_asked(caller, owner)):
        if len(jobs) + len(deleted) == limit:
            truncated = True
            break
        if isinstance(found, Tombstone):
            deleted.append(
                {
                    "job": found.job_id,
                    "key": found.key,
                    "credential": found.credential,
                    "state": str(found.state),
                }
            )
        else:
            jobs.append(job_json(found, caller))
    answer = {"jobs": jobs, "deleted": deleted, "truncated": truncated}
    return json_answer(answer, headers=readable(caller))


@router.get(
    "/v1/jobs/{job}",
    response_class=Response,
    responses={
        200: {"model": Job, "description": "The job with its history.", "headers": headers("ETag")},
        304: NOT_MODIFIED,
        **refusals(Kind.NOT_FOUND),
    },
)
async def show_job(request: Request, caller: Reader, job: str) -> Response:
    """Show the full history of one job."""
    return json_answer(job_json(await job_of(request, caller, job), caller), headers=readable(caller))


@router.get(
    "/v1/batches/{batch}/outcomes/{file}",
    response_class=FileResponse,
    responses={
        200: {
            "model": Manifest,
            "description": "The file, as `provision export` writes it: manifest.json as JSON, others as CSV.",
            "content": {"text/csv": {"schema": {"type": "string", "contentMediaType": "text/csv"}}},
            "headers": headers("Content-Disposition"),
        },
        **refusals(Kind.NOT_FOUND),
    },
)
async def outcome_file(request: Request, caller: Reader, batch: str, file: File) -> Response:
    """
    Download an outcome file of a batch.

    The files are created.csv, failed.csv, in_doubt.csv, not_attempted.csv and manifest.json.
    created.csv holds widget keys and also needs the scope `keys`.
    """
    found = await batch_of(request, caller, batch)
    _check_keys(file, caller)
    answer = await outcome_file_of(state_of(request), found, file)
    if answer is None:
        raise ProblemError(Kind.NOT_FOUND, "unknown outcome file", hint="one of " + ", ".join(FILES))
    return answer


def _check_keys(file: str, caller: Token) -> None:
    if file == HAS_KEYS and Scope.KEYS not in caller.scopes:
        raise ProblemError(Kind.NO_SCOPE, "the token lacks the scope keys", hint="the file holds widget keys")


@router.get(
    "/v1/refused-messages",
    response_class=Response,
    responses={200: {"model": RefusedMessages, "description": "The latest hundred messages."}, **refusals()},
)
async def refused_messages(request: Request, caller: Reader) -> Response:
    """List messages that the Celery intake refused, and why; their contents are not included."""
    kept = await read_refused(state_of(request).ledger, 100, caller.sees)
    shown = [
        {name: each[name] for name in ("at", "reason", "task", "batch")}
        | {"owner": each.get("owner", DEFAULT), "keys": each.get("keys", [])}
        for each in kept
    ]
    return json_answer({"messages": shown})
