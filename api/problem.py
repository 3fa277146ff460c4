"""
The refusals of the HTTP API: `application/problem+json` (RFC 9457).

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

    BAD_REQUEST = 400, "bad-request", "Invalid request"
    BAD_KEY = 400, "bad-idempotency-key", "Invalid Idempotency-Key"
    NO_TOKEN = 401, "no-token", "Missing or unknown token"
    NO_SCOPE = 403, "no-scope", "Insufficient scope"
    NOT_FOUND = 404, "not-found", "Not found"
    NOT_ALLOWED = 405, "method-not-allowed", "Method not allowed"
    IN_PROGRESS = 409, "in-progress", "The same request is in progress"
    NOT_ACCEPTED = 409, "not-accepted", "Job already known; not queued"
    NOT_IN_DOUBT = 409, "not-in-doubt", "Job not in doubt"
    TOO_LARGE = 413, "too-large", "Body too large"
    WRONG_TYPE = 415, "unsupported-content", "Unsupported content type"
    INVALID = 422, "invalid", "Invalid parameter or body"
    BAD_ROWS = 422, "bad-rows", "Invalid rows"
    OTHER_BODY = 422, "idempotency-key-reused", "Idempotency-Key used for another request"
    TOO_FAST = 429, "too-fast", "Too many requests"
    INTERNAL = 500, "internal", "Internal error"
    FULL = 503, "backlog-full", "Backlog full"
    BUSY = 503, "busy", "Too many such requests at the same time"
    NO_LEDGER = 503, "ledger-unavailable", "Ledger unavailable"
    NO_KEYS = 503, "keys-missing", "Encryption keys missing"
    NO_ROOM = 507, "no-room", "No space for temporary files"

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
        retry_after: seconds after which the client may try again.
        headers: further headers of the answer.
        more: further members of the answer.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        hint: str = "",
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.hint = hint
        self.retry_after = retry_after
        self._headers = headers or {}
        self.more = more

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        headers = dict(self._headers)
        if self.retry_after is not None:
            # Whole seconds (RFC 9110 §10.2.3), and never zero: clients would retry without a pause.
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
    """The refusal while Redis is unavailable, starting, full or not a ledger of ours."""
    return ProblemError(
        Kind.NO_LEDGER,
        "the ledger is not reachable or does not accept writes; send the request again",
        retry_after=1,
    )


async def answer_problem(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette gives both
    """Answers a `ProblemError`."""
    if not isinstance(error, ProblemError):
        raise TypeError("only a ProblemError comes here") from error
    return error.response()
