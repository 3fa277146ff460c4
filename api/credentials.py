"""
Routes for a credential: its pace, and pausing it.

A credential is shared by all owners, so whoever changes it changes the sending of all: only a token that sees
all owners may.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends
from fastapi import Path as InPath
from starlette.requests import Request
from starlette.responses import Response

from api.answers import NOT_MODIFIED, json_answer, refusals
from api.conditional import REVALIDATE
from api.filters import Justification
from api.models import CredentialChanged, CredentialPace, Done
from api.openapi_headers import headers
from api.problem import Kind, ProblemError
from api.request import Operator, Reader, read_body, state_of
from api.small_json import check_unique_names
from producers.files.body import MAX_CREDENTIAL_LENGTH, check_credential
from provisioning import scopes
from provisioning.errors import ConfigurationError
from provisioning.ledger import Ledger, WorkerSign
from provisioning.ledger.limits import usual_rate
from provisioning.ledger.schema import Released
from provisioning.ledger.tokens import Token
from provisioning.pace import Rate

router = APIRouter()

PATH: Final = "/v1/credentials/{credential:path}"
"""A name may have a slash, sent as `%2F`. One with a line break fits no route, and is not found."""

MAX_PACE_LENGTH: Final = 40
"""Characters of a pace; the longest sensible one has about ten."""


def _named(
    credential: Annotated[
        str, InPath(min_length=1, max_length=MAX_CREDENTIAL_LENGTH, description="Name of the credential.")
    ],
) -> str:
    """The name in the path. Raises: ProblemError if no credential can be called so."""
    if wrong := check_credential(credential):
        raise ProblemError(Kind.INVALID, str(wrong[0]), hint="use the name it has in the credentials file")
    return credential


def _shared(caller: Operator) -> Token:
    """A caller that may change what all owners share. Raises: ProblemError."""
    if caller.sees is not None:
        raise ProblemError(
            Kind.NO_SCOPE,
            "a credential is shared by all owners: only a token for all owners may change it",
            hint="provision token create NAME --scope operate --all-owners",
        )
    return caller


Named = Annotated[str, Depends(_named)]
Shared = Annotated[Token, Depends(_shared)]


@router.get(
    PATH + "/pace",
    tags=["Look"],
    response_class=Response,
    responses={
        200: {"model": CredentialPace, "description": "The pace.", "headers": headers("ETag")},
        304: NOT_MODIFIED,
        **refusals(Kind.NOT_FOUND),
    },
)
async def show_pace(request: Request, caller: Reader, credential: Named) -> Response:  # noqa: ARG001
    """Show the pace of a credential: how many POSTs per second it may start, over all workers."""
    shown = await _pace(state_of(request).ledger, credential)
    return json_answer(shown, headers={"Cache-Control": REVALIDATE})


class WantedPace(msgspec.Struct, forbid_unknown_fields=True):
    """The pace to set."""

    pace: str


_decode = msgspec.json.Decoder(WantedPace).decode

_BODY = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["pace"],
            "properties": {
                "pace": {
                    "type": "string",
                    "maxLength": MAX_PACE_LENGTH,
                    "description": "`5/s`, `300/m`, `1000/h` or `unlimited`.",
                }
            },
            "additionalProperties": False,
        },
        "examples": {"slow": {"value": {"pace": "300/m"}}, "unlimited": {"value": {"pace": "unlimited"}}},
    }
}


@router.put(
    PATH + "/pace",
    tags=["Act"],
    response_class=Response,
    responses={
        200: {"model": CredentialPace, "description": "The pace is set."},
        **refusals(Kind.NOT_FOUND, Kind.TOO_LARGE, Kind.WRONG_TYPE),
    },
    openapi_extra={"requestBody": {"required": True, "content": _BODY}},
)
async def set_pace(request: Request, caller: Shared, credential: Named) -> Response:
    """
    Set the pace of a credential on all workers, in force within a second and after restarts.

    It may be set before a worker has the credential. Only for a token of `--all-owners`: a credential is
    shared by all owners.
    """
    ledger = state_of(request).ledger
    rate = _read(await read_body(request))
    await ledger.operations.set_pace(credential, rate, actor=caller.name)
    return json_answer(await _pace(ledger, credential))


@router.delete(
    PATH + "/pace",
    tags=["Act"],
    status_code=204,
    response_class=Response,
    responses={204: {"description": "No pace is set."}, **refusals(Kind.NOT_FOUND)},
)
async def clear_pace(request: Request, caller: Shared, credential: Named) -> Response:
    """
    Remove the pace of a credential, so that the PROVISION_RATE of each worker is its pace.

    Only for a token of `--all-owners`.
    """
    await state_of(request).ledger.operations.set_pace(credential, None, actor=caller.name)
    return Response(status_code=204)


RESUMED: Final = {
    Released.NOT_HELD: Done.NOT_HELD,
    Released.RELEASED: Done.GOES_ON,
    Released.PROBE: Done.PROBE,
}
"""What a resume has done, by the ledger's word."""

_DONE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": CredentialChanged, "description": "Done."},
    **refusals(Kind.NOT_FOUND),
}


@router.post(PATH + "/pause", tags=["Act"], response_class=Response, responses=_DONE)
async def pause_credential(
    request: Request, caller: Shared, credential: Named, justification: Justification = ""
) -> Response:
    """Pause sending with a credential, of all batches and owners. Only for a token of `--all-owners`."""
    ledger = state_of(request).ledger
    await _check_known(ledger, credential)
    why = justification.strip() or f"paused by {caller.name}"
    new = await ledger.operations.hold(scopes.of_credential(credential), actor=caller.name, justification=why)
    return json_answer({"credential": credential, "done": Done.PAUSED if new else Done.HELD_ALREADY})


@router.post(PATH + "/resume", tags=["Act"], response_class=Response, responses=_DONE)
async def resume_credential(
    request: Request, caller: Shared, credential: Named, justification: Justification = ""
) -> Response:
    """
    Resume sending with a credential after a pause or a circuit breaker.

    After a circuit breaker one job is sent to try. Only for a token of `--all-owners`.
    """
    ledger = state_of(request).ledger
    await _check_known(ledger, credential)
    came = await ledger.operations.release(
        scopes.of_credential(credential), actor=caller.name, justification=justification.strip()
    )
    return json_answer({"credential": credential, "done": RESUMED[came]})


def pace_json(credential: str, word: str | None, workers: Sequence[WorkerSign]) -> dict[str, Any]:
    """
    The pace of a credential, for programs (docs/reference/json.md).

    Args:
        word: the pace that a person has set, as the ledger keeps it; None if none is set.
        workers: those that are alive; their own setting applies if none is set.
    """
    having = [each for each in workers if credential in each.credentials]
    rate = usual_rate(having) if word is None else Rate.of_word(word)
    return {
        "credential": credential,
        "pace": None if rate is None else str(rate),
        "set": word is not None,
        "workers": len(having),
    }


async def _pace(ledger: Ledger, credential: str) -> dict[str, Any]:
    return pace_json(credential, await ledger.queries.pace(credential), await ledger.queries.workers())


def _read(body: bytes) -> Rate:
    """The pace in a body. Raises: ProblemError, which does not repeat what was sent."""
    check_unique_names(body)
    try:
        word = _decode(body).pace
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ProblemError(Kind.INVALID, "the body must be a pace", hint='{"pace": "5/s"}') from None
    if len(word) <= MAX_PACE_LENGTH:
        with contextlib.suppress(ConfigurationError):  # its message repeats the word
            return Rate.parse(word)
    raise ProblemError(
        Kind.INVALID, "pace is not a valid pace", hint="write it as 5/s, 300/m, 1000/h or unlimited"
    )


async def _check_known(ledger: Ledger, credential: str) -> None:
    """
    Raises: ProblemError if other credentials are known and this one is not: a misspelt name must not seem to
    be paused.
    """
    names = await ledger.queries.credential_names()
    if names and credential not in names and not await ledger.queries.has_jobs_of(credential):
        raise ProblemError(
            Kind.NOT_FOUND,
            "no worker has a credential of this name, and no job uses it",
            hint="GET /v1/workers lists the credentials of each worker",
        )
