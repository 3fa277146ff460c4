"""The OpenAPI 3.1 document of the HTTP API, and a page that shows it and loads nothing from other hosts."""

from __future__ import annotations

from importlib import resources
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api.answers import json_answer
from api.models import Problem, RowProblem
from api.problem import Kind, ProblemError
from api.request import admit, bearer_or_basic

INTRODUCTION = """\
Submit jobs that create widgets, follow their progress, and operate on them.

An answer of 202 means that the jobs are in the ledger and will be sent. Submitting the same job again (same
credential and key) does not send it twice. Authenticate with `Authorization: Bearer TOKEN`; create tokens
with `provision token create`.
"""

OPEN = ("/healthz", "/readyz")
"""Paths that need no token."""

router = APIRouter(include_in_schema=False)


async def _let_in(request: Request) -> Response | None:
    """A browser is asked for the token as a password; any token will do."""
    try:
        await admit(request, bearer_or_basic(request))
    except ProblemError as problem:
        if problem.kind is not Kind.NO_TOKEN:
            raise
        return problem.response({"WWW-Authenticate": 'Basic realm="token as password", charset="UTF-8"'})
    return None


@router.get("/openapi.json")
async def openapi_json(request: Request) -> Response:
    """The description as OpenAPI 3.1."""
    return await _let_in(request) or json_answer(request.app.openapi())


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The description as a page; it loads nothing from other hosts."""
    if refused := await _let_in(request):
        return refused
    page = (resources.files("api") / "docs.html").read_text(encoding="utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})


def describe(app: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1 of the app."""
    described = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        openapi_version="3.1.0",
    )
    components = described.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for model in (Problem, RowProblem):
        schemas.setdefault(model.__name__, model.model_json_schema())
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    described["security"] = [{"token": []}]
    for path in OPEN:
        for operation in described["paths"][path].values():
            operation["security"] = []
    return described
