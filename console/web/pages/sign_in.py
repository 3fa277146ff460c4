"""Signing in with an API token, signing out, choosing the language."""

from __future__ import annotations

import asyncio
import hmac
from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.problem import Kind, ProblemError
from api.request import state_of
from console.web.guard import is_form_token
from console.web.render import LANGUAGE_COOKIE, page
from console.web.route import pages, read_form
from console.web.visitor import SignInError, begin, end, visitor_of
from console.web.words import LANGUAGES
from provisioning.ledger.tokens import Scope

router = pages()

PAUSE = 1.0
"""Seconds until a wrong token is answered: 256 random bits need no more against guessing."""

Next = Annotated[str, Query(alias="next", max_length=2000)]


@router.get("/sign-in")
async def sign_in(request: Request, where: Next = "/") -> Response:
    """The form for a token."""
    try:
        await visitor_of(request)
    except SignInError:
        return page(request, "sign_in.html", where=_own(where), wrong="")
    return RedirectResponse(_own(where), 303)


@router.post("/sign-in")
async def sign_in_with(request: Request) -> Response:
    """Begins a session for a token that may read."""
    form = await read_form(request)
    where = _own(form.get("next", "/"))
    try:
        token = await state_of(request).identify(form.get("token", "").strip())
    except ProblemError as problem:
        if problem.kind is not Kind.NO_TOKEN:
            raise
        await asyncio.sleep(PAUSE)
        return page(request, "sign_in.html", status=401, where=where, wrong="unknown")
    if Scope.READ not in token.scopes:
        return page(request, "sign_in.html", status=403, where=where, wrong="scope")
    return await begin(request, token, where)


@router.get("/enter")
async def enter(request: Request, code: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Signs in whoever started the server, once, by the link that it printed."""
    entrance, request.app.state.entrance = request.app.state.entrance, None
    shown = code.encode("utf-8", "surrogateescape")
    if entrance is None or not hmac.compare_digest(shown, entrance[0].encode()):
        # A wrong code ends the link as well: nobody can guess for long.
        return page(request, "sign_in.html", status=403, where="/", wrong="link")
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


def _own(where: str) -> str:
    """A page of ours to go on to: an address of another site would be an open redirect."""
    return where if where.startswith("/") and not where.startswith(("//", "/\\")) else "/"
