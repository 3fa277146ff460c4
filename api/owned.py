"""
What a request may see: the caller's owner's things alone, unless its token sees all owners.

What is another's is not found, as if it were not there: a refusal would tell that it is.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.requests import Request

from api.problem import Kind, ProblemError
from api.request import state_of
from provisioning.errors import NotFoundError
from provisioning.job import split_job_id
from provisioning.ledger import JobRecord
from provisioning.ledger.tokens import Token
from provisioning.owner import is_owner

OwnerName = Annotated[
    str | None,
    Query(max_length=32, description="Only of this owner; other owners than one's own need --all-owners."),
]


async def batch_of(request: Request, caller: Token, batch: str) -> str:
    """
    The id of a batch, by id or name. Raises: NotFoundError if the caller has none that is called so.

    A name is always one of the caller's own owner: two owners may have the same.
    """
    return await state_of(request).ledger.queries.batch_id(batch, caller.sees, names_of=caller.owner)


async def check_job(request: Request, caller: Token, job: str) -> tuple[str, int]:
    """Batch and number of a job. Raises: NotFoundError if it cannot be one of this caller's."""
    try:
        batch, number = split_job_id(job)
    except ValueError as error:
        raise NotFoundError("unknown job") from error
    if await state_of(request).ledger.queries.batch_id(batch, caller.sees) != batch:
        raise NotFoundError("unknown job")  # it begins with the name of a batch, not with its id
    return batch, number


async def job_of(request: Request, caller: Token, job: str) -> JobRecord:
    """A job with its history. Raises: NotFoundError if the caller has none of this id."""
    await check_job(request, caller, job)
    return await state_of(request).ledger.queries.job(job)


def owner_asked(caller: Token, owner: str | None) -> str | None:
    """
    Whose things a list is to hold; None for those of all.

    Raises: ProblemError if it is another's than this caller may see.
    """
    if owner is None:
        return caller.sees
    if not is_owner(owner):
        raise ProblemError(Kind.INVALID, "owner cannot be the name of an owner")
    if caller.sees not in (None, owner):
        raise ProblemError(Kind.NO_SCOPE, "the token sees only its own owner's jobs", hint="omit owner")
    return owner
