"""
Who looks at a page: a browser with the cookie of a session, whose API token or user says what it may do.

The cookie is accepted by pages only, never by `/v1`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlencode, urlsplit

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.request import state_of
from console.web.guard import FORM_TOKEN_BYTES, masked_form_token
from console.web.live_sessions import LiveSessions
from console.web.shared_reads import is_live, shared
from provisioning.ledger.sessions import LONGEST, Session
from provisioning.ledger.tokens import Scope, Token

_NAME = "provision_session"


class SignInError(Exception):
    """Nobody has signed in, or the session has ended."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """
    A person who has signed in.

    Attributes:
        token: whose name, scopes and owner are this person's; of a user, `User.token`.
        pad: random bytes that mask the form token on one page.
    """

    token: Token
    session: Session
    pad: bytes = field(default_factory=lambda: secrets.token_bytes(FORM_TOKEN_BYTES), repr=False)

    @property
    def form_token(self) -> str:
        """What each form of the session sends, so that no other site can send one; masked for this page."""
        key = self.session.form_key.encode()
        token = hmac.new(key, b"form", hashlib.sha256).digest()[:FORM_TOKEN_BYTES]
        return masked_form_token(token, self.pad)

    def may(self, scope: Scope | str) -> bool:
        """Whether this person has a scope."""
        return Scope(scope) in self.token.scopes


def cookie_name(request: Request) -> str:
    """Over HTTPS the name binds the cookie to this host and to HTTPS."""
    return f"__Host-{_NAME}" if request.url.scheme == "https" else _NAME


async def visitor_of(request: Request) -> Visitor:
    """Who has signed in. Raises: SignInError."""
    shown = shown_cookie(request)
    session = await _session_of(request, shown) if shown else None
    token = await _token_of(request, session) if session else None
    if session is None or token is None or Scope.READ not in token.scopes:
        raise SignInError
    return Visitor(token, session)


async def _token_of(request: Request, session: Session) -> Token | None:
    """Whose session it is; None if it has ended with its token or its password."""
    app_state = state_of(request)
    if not session.user:
        return await app_state.tokens.by_id(session.token_id)
    user = await shared(request, app_state.ledger.users.find, session.user)
    return user.token if user and user.id == session.token_id else None


def shown_cookie(request: Request) -> str:
    """What the cookie of the session holds; empty without one."""
    return request.cookies.get(cookie_name(request), "")


async def _session_of(request: Request, shown: str) -> Session | None:
    live: LiveSessions = request.app.state.live_sessions
    known = await live.find(shown) if is_live(request) else None
    return known or await state_of(request).ledger.sessions.find(shown)


Visiting = Annotated[Visitor, Depends(visitor_of)]


async def batch_of(request: Request, visitor: Visitor, batch: str) -> str:
    """The id of a batch, by id or name. Raises: NotFoundError if this person has none that is called so."""
    return await shared(request, state_of(request).ledger.queries.batch_id, batch, visitor.token.sees)


async def begin(request: Request, token: Token, where: str, *, user: str = "") -> Response:
    """
    Begins a session and goes to a page.

    Args:
        user: the name of the user if the token is one's record.
    """
    shown = await state_of(request).ledger.sessions.open(token.id, user=user)
    response = RedirectResponse(where, 303)
    response.set_cookie(
        cookie_name(request),
        shown,
        max_age=LONGEST,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
    return response


async def end(request: Request) -> Response:
    """Ends the session and goes to the sign-in page."""
    shown = request.cookies.get(cookie_name(request), "")
    if shown:
        await state_of(request).ledger.sessions.close(shown)
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(cookie_name(request), path="/")
    return response


def page_before(request: Request) -> str:
    """The page of ours on which a form was sent; empty if the browser does not tell."""
    before = urlsplit(request.headers.get("referer", ""))
    if before.netloc != request.headers.get("host", "") or not before.path.startswith("/"):
        return ""
    return before.path + (f"?{before.query}" if before.query else "")


def to_sign_in(request: Request) -> Response:
    """The way to the sign-in page and back; whoever had signed in is told that nothing was changed."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = here if request.method == "GET" else page_before(request)
    told = {"next": back} if back not in ("", "/") else {}
    if request.method != "GET":
        told["ended"] = "1"
    return RedirectResponse("/sign-in" + (f"?{urlencode(told)}" if told else ""), 303)
