"""Answers in JSON, and the refusals that each route documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.conditional import REVALIDATE
from api.models import Problem
from api.openapi_headers import OF_STATUS, headers
from api.problem import CONTENT_TYPE, Kind
from provisioning.ledger import JobRecord
from provisioning.ledger.tokens import Scope, Token

_encode = msgspec.json.Encoder().encode

NOT_MODIFIED: dict[str, Any] = {
    "description": "The client has this answer (If-None-Match).",
    "headers": headers("ETag"),
}

EVERYWHERE = (
    *(Kind.BAD_REQUEST, Kind.NO_TOKEN, Kind.NO_SCOPE, Kind.TOO_FAST, Kind.INVALID, Kind.INTERNAL),
    *(Kind.NO_LEDGER, Kind.NO_KEYS),
)
"""Refusals that any route with a token may give."""


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Any JSON value as an answer, which is not to be stored: it may hold a widget's key."""
    return Response(
        _encode(value),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def readable(caller: Token) -> dict[str, str]:
    """
    Headers of an answer with batches or jobs: it has an ETag (`conditional`) and may be stored, unless it
    holds widget keys.
    """
    return {} if Scope.KEYS in caller.scopes else {"Cache-Control": REVALIDATE}


def next_page(request: Request, cursor: str | None) -> dict[str, str]:
    """The `Link` header to the next page (RFC 8288); nothing on the last."""
    if not cursor:
        return {}
    url = request.url.include_query_params(cursor=cursor)
    return {"Link": f'<{url.path}?{url.query}>; rel="next"'}


def job_json(record: JobRecord, caller: Token) -> dict[str, Any]:
    """The fields of a job that this caller may read."""
    shown = record.public()
    if Scope.KEYS in caller.scopes:
        shown["widget_key"] = record.result.key if record.result else None
    return shown


def refusals(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: these refusals, and those of every route."""
    by_status: dict[int | str, list[Kind]] = {}
    for kind in dict.fromkeys((*EVERYWHERE, *kinds)):
        by_status.setdefault(kind.status, []).append(kind)
    return {
        status: _documented(kinds) for status, kinds in sorted(by_status.items(), key=lambda s: int(s[0]))
    }


def refusal(kind: Kind) -> dict[str, Any]:
    """One refusal, as OpenAPI describes an answer."""
    return _documented([kind])


def _documented(kinds: list[Kind]) -> dict[str, Any]:
    examples = {
        kind.slug: {"value": {"type": kind.type, "title": kind.title, "status": kind.status, "detail": "…"}}
        for kind in kinds
    }
    documented: dict[str, Any] = {
        "description": "; ".join(kind.title for kind in kinds),
        "content": {
            CONTENT_TYPE: {
                "schema": {"$ref": f"#/components/schemas/{Problem.__name__}"},
                "examples": examples,
            }
        },
    }
    if kinds[0].status in OF_STATUS:
        documented["headers"] = headers(OF_STATUS[kinds[0].status])
    return documented
