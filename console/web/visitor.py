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
from urllib.parse import urlencode

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.request import state_of
from api.state import AppState
from console.web.guard import FORM_TOKEN_BYTES, masked_form_token
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
    app_state = state_of(request)
    shown = request.cookies.get(cookie_name(request), "")
    session = await app_state.ledger.sessions.find(shown) if shown else None
    token = await _token_of(app_state, session) if session else None
    if session is None or token is None or Scope.READ not in token.scopes:
        raise SignInError
    return Visitor(token, session)


async def _token_of(app_state: AppState, session: Session) -> Token | None:
    """Whose session it is; None if it has ended with its token or its password."""
    if not session.user:
        return await app_state.tokens.by_id(session.token_id)
    user = await app_state.ledger.users.find(session.user)
    return user.token if user and user.id == session.token_id else None


Visiting = Annotated[Visitor, Depends(visitor_of)]


async def batch_of(request: Request, visitor: Visitor, batch: str) -> str:
    """The id of a batch, by id or name. Raises: NotFoundError if this person has none that is called so."""
    return await state_of(request).ledger.queries.batch_id(batch, visitor.token.sees)


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


def to_sign_in(request: Request) -> Response:
    """The way to the sign-in page and back."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = here if request.method == "GET" and here != "/" else "/"
    return RedirectResponse("/sign-in?" + urlencode({"next": back}) if back != "/" else "/sign-in", 303)
