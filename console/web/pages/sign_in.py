"""Signing in as a user with a password or with an API token, signing out, choosing the language."""

from __future__ import annotations

import asyncio
import hmac
import math
from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.problem import Kind, ProblemError, no_ledger
from api.request import state_of
from console.web.guard import is_form_token
from console.web.password_checks import BusyError, PasswordChecks
from console.web.render import LANGUAGE_COOKIE, page
from console.web.route import pages, read_form
from console.web.visitor import SignInError, begin, end, visitor_of
from console.words import LANGUAGES
from provisioning.ledger.tokens import NAME, Scope
from provisioning.observability.log_events import SESSION_REFUSED
from provisioning.observability.logs import log_event

router = pages()

PAUSE = 1.0
"""Seconds until a wrong token is answered: 256 random bits need no more against guessing."""

BUSY_FOR = 5
"""Seconds after which a browser may try again that met too many others."""

Next = Annotated[str, Query(alias="next", max_length=2000)]


@router.get("/sign-in")
async def sign_in(request: Request, where: Next = "/") -> Response:
    """The forms for a user and for a token."""
    try:
        await visitor_of(request)
    except SignInError:
        return _page(request, 200, where)
    return RedirectResponse(_own(where), 303)


@router.post("/sign-in")
async def sign_in_with(request: Request) -> Response:
    """Begins a session for a user or a token that may read."""
    form = await read_form(request)
    where = form.get("next", "/")
    if "password" in form:
        return await _with_password(request, form.get("name", "").strip(), form["password"], where)
    return await _with_token(request, form.get("token", "").strip(), where)


async def _with_password(request: Request, name: str, password: str, where: str) -> Response:
    app_state = state_of(request)
    if not app_state.fit.is_set():
        raise no_ledger()
    attempts, address = app_state.ledger.sign_in_attempts, _client(request)
    attempt = await attempts.begin(name, address)
    user = await app_state.ledger.users.find(name)
    known = user.name if user else None
    if attempt.wait:
        log_event(SESSION_REFUSED, refusal="too_many", by=known, client=address)
        return _page(request, 429, where, "too_many", name=name, wait=attempt.wait)
    try:
        right = await _checks(request).is_right(password, user.password if user else None)
    except BusyError:
        await attempts.take_back(attempt)
        log_event(SESSION_REFUSED, refusal="busy", by=known, client=address)
        return _page(request, 503, where, "busy", name=name, wait=BUSY_FOR)
    if user is None or not right:
        log_event(SESSION_REFUSED, refusal="wrong_password", by=known, client=address)
        return _page(request, 401, where, "password", name=name)
    await attempts.succeeded(attempt, name, address)
    return await begin(request, user.token, _own(where), user=user.name)


async def _with_token(request: Request, shown: str, where: str) -> Response:
    try:
        token = await state_of(request).identify(shown)
    except ProblemError as problem:
        if problem.kind is not Kind.NO_TOKEN:
            raise
        log_event(SESSION_REFUSED, refusal="wrong_token", client=_client(request))
        await asyncio.sleep(PAUSE)
        return _page(request, 401, where, "unknown")
    if Scope.READ not in token.scopes:
        log_event(SESSION_REFUSED, refusal="no_scope", by=token.name, client=_client(request))
        return _page(request, 403, where, "scope")
    return await begin(request, token, _own(where))


@router.get("/enter")
async def enter(request: Request, code: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Signs in whoever started the server, once, by the link that it printed."""
    entrance, request.app.state.entrance = request.app.state.entrance, None
    shown = code.encode("utf-8", "surrogateescape")
    if entrance is None or not hmac.compare_digest(shown, entrance[0].encode()):
        # A wrong code ends the link as well: nobody can guess for long.
        log_event(SESSION_REFUSED, refusal="used_link", client=_client(request))
        return _page(request, 403, "/", "link")
    token = await state_of(request).tokens.by_id(entrance[1])
    if token is None:
        raise SignInError
    return await begin(request, token, "/batches")


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Ends the session."""
    try:
        visitor = await visitor_of(request)
    except SignInError:
        return await end(request)
    form = await read_form(request)
    if not is_form_token(form.get("form_token", ""), visitor.form_token):
        raise ProblemError(Kind.BAD_REQUEST, "the form is not of this session")
    return await end(request)


@router.get("/language/{language}")
async def language(language: str, where: Next = "/") -> Response:
    """Answers this browser in another language from now on."""
    response = RedirectResponse(_own(where), 303)
    if language in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, language, max_age=365 * 86400, samesite="lax", httponly=True)
    return response


def _page(
    request: Request, status: int, where: str, wrong: str = "", *, name: str = "", wait: float = 0.0
) -> Response:
    """
    The sign-in page.

    Args:
        wrong: what went wrong, a word that the template knows.
        name: what was typed as the name; repeated if it can be one.
        wait: seconds until the next attempt makes sense.
    """
    response = page(
        request,
        "sign_in.html",
        status=status,
        where=_own(where),
        wrong=wrong,
        name=name if NAME.fullmatch(name) else "",
        minutes=math.ceil(wait / 60),
    )
    if wait:
        response.headers["Retry-After"] = str(math.ceil(wait))
    return response


def _own(where: str) -> str:
    """A page of ours to go on to: an address of another site would be an open redirect."""
    return where if where.startswith("/") and not where.startswith(("//", "/\\")) else "/"


def _client(request: Request) -> str:
    """The address of the browser; that of a proxy unless FORWARDED_ALLOW_IPS trusts it."""
    return request.client.host if request.client else ""


def _checks(request: Request) -> PasswordChecks:
    checks = request.app.state.password_checks
    if not isinstance(checks, PasswordChecks):
        raise TypeError("the app has no PasswordChecks")
    return checks
