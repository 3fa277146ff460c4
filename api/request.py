"""Parts of a request: its token, its body up to a limit, its Idempotency-Key."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from api.access_log import CALLER, QUOTA
from api.parameters import check_parameters
from api.problem import Kind, ProblemError
from api.state import AppState, check_scopes
from provisioning.digits import is_whole_number
from provisioning.ledger.tokens import Scope, Token

SMALL = 256 * 1024
"""Most bytes of a body that is read into memory: four times the largest body of a job."""

SINGLE = ("authorization", "idempotency-key", "content-type", "content-encoding", "last-event-id")
"""Headers that a request may have once: of two, another server might use the other."""

_KEY = re.compile(r'"?([\x21\x23-\x7e]{1,255})"?')


def state_of(request: Request) -> AppState:
    """The state of the app that serves this request."""
    app_state = request.app.state.app_state
    if not isinstance(app_state, AppState):
        raise TypeError("the app has no AppState")
    return app_state


def bearer(request: Request) -> str:
    """The token in the Authorization header. Raises: ProblemError if there is none."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise ProblemError(Kind.NO_TOKEN, "send the header: Authorization: Bearer TOKEN")
    return token.strip()


def bearer_or_basic(request: Request) -> str:
    """As `bearer`; a browser may send the token as the password of any user."""
    kind, _, rest = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return bearer(request)
    try:
        return base64.b64decode(rest, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        raise ProblemError(Kind.NO_TOKEN, "the Authorization header is invalid") from None


async def admit(request: Request, shown: str, *scopes: Scope) -> Token:
    """
    The token of the request, checked by `AppState.identify`; the request's log line names the token.

    Raises: ProblemError, also for parameters that the route does not take.
    """
    _check_headers(request)
    app_state = state_of(request)
    token = await app_state.identify(shown)
    request.scope[CALLER] = token.name
    check_scopes(token, scopes)
    request.scope[QUOTA] = await app_state.rates.admit(token)
    await check_parameters(request)
    return token


def _check_headers(request: Request) -> None:
    for name in SINGLE:
        if len(request.headers.getlist(name)) > 1:
            kind = Kind.BAD_KEY if name == "idempotency-key" else Kind.BAD_REQUEST
            raise ProblemError(kind, f"the header {name} appears more than once", hint="send one")


async def _submitter(request: Request) -> Token:
    return await admit(request, bearer(request), Scope.SUBMIT)


async def _reader(request: Request) -> Token:
    return await admit(request, bearer(request), Scope.READ)


async def _operator(request: Request) -> Token:
    return await admit(request, bearer(request), Scope.OPERATE)


async def _watcher(request: Request) -> Token:
    return await admit(request, bearer(request), Scope.SUBMIT, Scope.READ)


Submitter = Annotated[Token, Depends(_submitter)]
Reader = Annotated[Token, Depends(_reader)]
Operator = Annotated[Token, Depends(_operator)]
Watcher = Annotated[Token, Depends(_watcher)]
"""Who sets webhooks, and may read all that the one of an owner tells."""


async def read_body(request: Request, limit: int = SMALL) -> bytes:
    """The whole body. Raises: ProblemError if it is larger than `limit` bytes."""
    check_length(request, limit)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
    return b"".join(parts)


def check_length(request: Request, limit: int) -> None:
    """Raises: ProblemError if the headers announce a body that is too large, or compressed."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise ProblemError(
            Kind.WRONG_TYPE, "compressed bodies are not accepted", hint="omit Content-Encoding"
        )
    length = request.headers.get("content-length", "")
    if is_whole_number(length) and len(length) < 20 and int(length) > limit:
        raise too_large(limit)


def too_large(limit: int) -> ProblemError:
    return ProblemError(
        Kind.TOO_LARGE, f"at most {limit:,} bytes are accepted", hint="send it in several requests"
    )


def idempotency_key(request: Request) -> str | None:
    """The Idempotency-Key, if there is one. Raises: ProblemError if it cannot be one."""
    text = request.headers.get("idempotency-key")
    if text is None:
        return None
    found = _KEY.fullmatch(text.strip())
    if found is None:
        raise ProblemError(Kind.BAD_KEY, "an Idempotency-Key must have 1 to 255 visible ASCII characters")
    return found[1]
