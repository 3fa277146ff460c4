"""
What the HTTP door says when it says no: `application/problem+json` (RFC 9457).

Every kind of refusal has one stable `type`; `docs/reference/http-api.md` lists them. No refusal repeats what
was sent, because a secret in the wrong place stays where it is; only notes on a batch quote ids and texts, as
they do where it is accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

CONTENT_TYPE = "application/problem+json"
PREFIX = "urn:widget-provisioner:problem:"


class Kind(Enum):
    """Every refusal: its status, the last part of its type, its title."""

    BAD_REQUEST = 400, "bad-request", "The request cannot be understood"
    BAD_KEY = 400, "bad-idempotency-key", "The Idempotency-Key cannot be used"
    NO_TOKEN = 401, "no-token", "A token is needed"
    NO_SCOPE = 403, "no-scope", "The token does not reach so far"
    NOT_FOUND = 404, "not-found", "There is no such thing"
    NOT_ALLOWED = 405, "method-not-allowed", "This cannot be done here"
    IN_PROGRESS = 409, "in-progress", "The same request is being worked on"
    NOT_ACCEPTED = 409, "not-accepted", "The job is known and was not queued"
    NOT_IN_DOUBT = 409, "not-in-doubt", "The job is not in doubt"
    TOO_LARGE = 413, "too-large", "The body is too large"
    WRONG_TYPE = 415, "unsupported-content", "This kind of body is not read here"
    INVALID = 422, "invalid", "The request breaks a rule"
    BAD_ROWS = 422, "bad-rows", "Rows break rules"
    OTHER_BODY = 422, "idempotency-key-reused", "The Idempotency-Key belongs to another request"
    TOO_FAST = 429, "too-fast", "The token's rate is used up"
    INTERNAL = 500, "internal", "Something went wrong here"
    FULL = 503, "backlog-full", "There is too much to do already"
    BUSY = 503, "busy", "Too many uploads are being read"
    NO_LEDGER = 503, "ledger-unavailable", "The ledger cannot be reached"
    NO_KEYS = 503, "keys-missing", "The ledger is sealed, and its keys are not here"
    NO_ROOM = 507, "no-room", "The server has no room for temporary files"

    def __init__(self, status: int, slug: str, title: str) -> None:
        self.status = status
        self.slug = slug
        self.title = title

    @property
    def type(self) -> str:
        """The stable URI of this kind."""
        return PREFIX + self.slug


class ProblemError(Exception):
    """
    A refusal.

    Args:
        detail: what happened, for a person; never what was sent.
        hint: the way out.
        retry_after: seconds after which it is worth asking again.
        more: further members of the answer.
    """

    def __init__(
        self, kind: Kind, detail: str, *, hint: str = "", retry_after: float | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.hint = hint
        self.retry_after = retry_after
        self.more = more

    @property
    def headers(self) -> dict[str, str]:
        """What goes beside the body."""
        headers = {}
        if self.retry_after is not None:
            # Whole seconds (RFC 9110 §10.2.3), and never zero: that would be an invitation to hammer.
            headers["Retry-After"] = str(max(1, round(self.retry_after + 0.49)))
        if self.kind is Kind.NO_TOKEN:
            headers["WWW-Authenticate"] = "Bearer"
        return headers

    def body(self) -> bytes:
        """The JSON of the answer."""
        facts: dict[str, Any] = {
            "type": self.kind.type,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
        }
        if self.hint:
            facts["hint"] = self.hint
        return msgspec.json.encode(facts | self.more)

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """The whole answer."""
        return Response(
            self.body(),
            status_code=self.kind.status,
            media_type=CONTENT_TYPE,
            headers=self.headers | dict(headers or {}),
        )


def no_ledger() -> ProblemError:
    """The refusal while Redis is away, starting, full or not one of ours."""
    return ProblemError(
        Kind.NO_LEDGER, "the ledger cannot be reached or takes nothing; say it again", retry_after=1
    )


async def answer_problem(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette gives both
    """Answers a `ProblemError`."""
    if not isinstance(error, ProblemError):
        raise TypeError("only a ProblemError comes here") from error
    return error.response()
