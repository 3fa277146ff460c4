"""The headers of answers, in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

HEADERS: Final[dict[str, dict[str, Any]]] = {
    "X-Request-Id": {
        "description": "Id of the request, also in the server's log: the one that was sent, if it has 8 to "
        "64 letters, digits, `-` or `_`; else a new one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{8,64}$"},
    },
    "Location": {
        "description": "Path of what was submitted.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Idempotent-Replayed": {
        "description": "`true` if this is the stored answer to an earlier request with the same "
        "Idempotency-Key; else absent.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Retry-After": {
        "description": "Seconds to wait before the request is repeated.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "How to authenticate.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Allow": {
        "description": "The methods that the path has.",
        "required": True,
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {
        "description": "The token's limit: `q` requests at once, in `w` seconds "
        "(draft-ietf-httpapi-ratelimit-headers). Absent without a limit.",
        "schema": {"type": "string", "pattern": '^"token";q=[0-9]+;w=[0-9]+$'},
    },
    "RateLimit": {
        "description": "What is left of it: `r` requests; all are there again in `t` seconds.",
        "schema": {"type": "string", "pattern": '^"token";r=[0-9]+;t=[0-9]+$'},
    },
    "ETag": {
        "description": "Names this answer: with `If-None-Match` it is not sent again. None with widget keys.",
        "schema": {"type": "string", "pattern": '^W/"[0-9a-f]{32}"$'},
    },
    "Link": {
        "description": 'The next page (`rel="next"`, RFC 8288); absent on the last.',
        "schema": {"type": "string"},
    },
    "Content-Disposition": {
        "description": "The name of the file.",
        "required": True,
        "schema": {"type": "string"},
    },
}
"""Every documented header, by name."""

OF_STATUS: Final = {
    401: "WWW-Authenticate",
    405: "Allow",
    409: "Retry-After",
    429: "Retry-After",
    503: "Retry-After",
}
"""The header that refusals of a status have."""

EVERYWHERE: Final = "X-Request-Id"
"""The header that every answer has."""


LIMITS: Final = ("RateLimit-Policy", "RateLimit")
"""Headers that every answer to a token may have."""


def headers(*names: str) -> dict[str, Any]:
    """OpenAPI's `headers` of an answer."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
