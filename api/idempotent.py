"""Answers a request once per Idempotency-Key."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from api.content import charset, media_type
from api.problem import Kind, ProblemError
from api.request import idempotency_key, state_of
from provisioning.ledger.idempotency import LEASE, Answer, InUseError, OtherRequestError, Turn
from provisioning.ledger.tokens import Token
from provisioning.owner import DEFAULT


async def once(
    request: Request, caller: Token, body_digest: str, work: Callable[[], Awaitable[Response]]
) -> Response:
    """
    The answer to this request: that of `work`, or the stored one if the key was used before.

    Raises: ProblemError where the key is in use, or belongs to another request.
    """
    key = idempotency_key(request)
    if key is None:
        return await work()
    kind = media_type(request) + (f"; charset={named}" if (named := charset(request)) else "")
    parts = [request.method, request.url.path, request.url.query, kind, body_digest]
    fingerprint = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    try:
        async with state_of(request).ledger.idempotency.turn(_space(caller), key, fingerprint) as turn:
            if isinstance(turn, Answer):
                headers = turn.headers | {"Idempotent-Replayed": "true"}
                return Response(turn.body, turn.status, headers, turn.media_type)
            return await _answer(turn, work)
    except InUseError:
        raise ProblemError(
            Kind.IN_PROGRESS, "a request with this Idempotency-Key is in progress", retry_after=LEASE / 5
        ) from None
    except OtherRequestError:
        raise ProblemError(
            Kind.OTHER_BODY,
            "this Idempotency-Key was used for another request",
            hint="use a new Idempotency-Key",
        ) from None


def _space(caller: Token) -> str:
    """
    Whose keys they are: the owner's, so that a new token of a service goes on where the one before stopped.

    Of `default` they are each token's, as they were before there were owners.
    """
    return caller.id if caller.owner == DEFAULT else f"owner:{caller.owner}"


async def _answer(turn: Turn, work: Callable[[], Awaitable[Response]]) -> Response:
    try:
        response = await work()
    except ProblemError as problem:
        response = problem.response()
    if response.status_code < 400:
        headers = {
            name: value
            for name, value in response.headers.items()
            if name not in ("content-length", "content-type")
        }
        media = response.headers.get("content-type", "application/json")
        await turn.keep(Answer(response.status_code, media, headers, bytes(response.body)))
    elif response.status_code < 500:
        # Nothing was taken: the key is free for the request as it should have been.
        await turn.forget()
    return response
