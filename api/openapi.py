"""The OpenAPI 3.1 document of the HTTP API, and a page that shows it and loads nothing from other hosts."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api.answers import json_answer, refusal
from api.examples import SCHEMAS
from api.metrics import Scraper
from api.models import BatchEvent, JobEvent, Problem, StreamEvent
from api.openapi_headers import EVERYWHERE, HEADERS, LIMITS, headers
from api.openapi_webhooks import webhooks
from api.problem import Kind, ProblemError
from api.request import Operator, Reader, Submitter, Watcher, admit, bearer_or_basic
from api.words import MEANINGS, explanation
from provisioning.ledger.tokens import Scope

INTRODUCTION = """\
Submit jobs that create widgets, follow their progress, and operate on them.

An answer of 202 means that the jobs are in the ledger and will be sent. Submitting the same job again (same
credential and key) does not send it twice. Authenticate with `Authorization: Bearer TOKEN`; create tokens
with `provision token create`.

Times are Unix seconds. Members may be added to any answer, and none is renamed: ignore those that you do not
know. Errors are `application/problem+json`, with a `type` that does not change.
"""

LICENCE: Final = {"name": "MIT", "identifier": "MIT"}

SERVERS: Final = [{"url": "/", "description": "The server of your operator; put its address in front."}]

TAGS: Final = [
    {"name": "Submit", "description": "Submit jobs, one or many. Needs the scope `submit`."},
    {
        "name": "Look",
        "description": "Read batches, jobs, outcome files, the audit, workers and metrics. Needs the scope "
        "`read`.",
    },
    {
        "name": "Act",
        "description": "Pause, resume, cancel, redrive, resolve, set paces. Needs the scope `operate`. Each "
        "act is recorded in the audit.",
    },
    {
        "name": "Webhooks",
        "description": "Be notified when a batch settles or is stopped, or when a single job ends. "
        "Notifications are signed as Standard Webhooks defines (standardwebhooks.com).",
    },
    {"name": "Health", "description": "For load balancers and orchestrators; no token is needed."},
]
"""In the order in which a reader needs them."""

OPEN = ("/healthz", "/readyz")
"""Paths that need no token."""

NAMED: Final = {
    "batch": "Id or name of the batch.",
    "job": "Id of the job, as the answer to its submission has it.",
    "bulk_act": "Id of the bulk act.",
}
"""Descriptions of the parameters in paths."""

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


def _dependency(of: Any) -> Any:
    """The function by which a route takes its caller."""
    return of.__metadata__[0].dependency


NO_METHOD: Final = "Method not allowed: an older server may have this path without this method"

SCOPES: Final = {
    _dependency(Submitter): ((Scope.SUBMIT,),),
    _dependency(Reader): ((Scope.READ,),),
    _dependency(Operator): ((Scope.OPERATE,),),
    _dependency(Watcher): ((Scope.SUBMIT, Scope.READ),),
    _dependency(Scraper): ((Scope.METRICS,), (Scope.READ,)),
}
"""What a caller needs, by the function that checks it: the scopes of one of these, all of them."""


def describe(app: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1 of the app."""
    described = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=TAGS,
        servers=SERVERS,
        license_info=LICENCE,
        openapi_version="3.1.0",
    )
    components = described.setdefault("components", {})
    components["schemas"] = _schemas(components.get("schemas", {}))
    components["headers"] = HEADERS
    components["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of `provision token create`. The words at an operation are the scopes of "
            "which the token needs one.",
        }
    }
    described["security"] = [{"token": []}]
    for route, operation in _operations(app, described):
        _complete(route, operation)
    described["webhooks"] = webhooks()
    return described


def _schemas(found: dict[str, Any]) -> dict[str, Any]:
    """The schemas of the routes, of errors, of webhooks and of bodies; the words in them are explained."""
    wanted = [(model, "serialization") for model in (Problem, BatchEvent, JobEvent, StreamEvent)]
    _, more = models_json_schema(wanted, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type] # a mode
    schemas: dict[str, Any] = found | more["$defs"] | SCHEMAS
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for words in MEANINGS:
        schemas[words.__name__]["description"] = explanation(words)
    for schema in schemas.values():
        schema.pop("title", None)  # it is the name of the schema
    schemas["ProblemType"] = {
        "type": "string",
        "enum": [kind.type for kind in Kind],
        "description": "\n".join(["Type of an error.", "", *(f"- `{k.type}`: {k.title}" for k in Kind)]),
    }
    # A string as well: types may be added.
    kind = schemas["Problem"]["properties"]["type"]
    kind["anyOf"] = [{"$ref": "#/components/schemas/ProblemType"}, {"type": kind.pop("type")}]
    return dict(sorted(schemas.items()))


def _operations(app: FastAPI, described: dict[str, Any]) -> Iterator[tuple[APIRoute, dict[str, Any]]]:
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                yield route, described["paths"][route.path_format][method.lower()]


def _complete(route: APIRoute, operation: dict[str, Any]) -> None:
    """Adds to an operation what is alike everywhere, and leaves out what generators stumble over."""
    needed = list(_needed(route.dependant))
    operation["security"] = [{"token": [str(scope) for scope in scopes]} for scopes in needed]
    if needed:
        word = "scopes" if any(len(scopes) > 1 for scopes in needed) else "scope"
        either = " or ".join(" and ".join(f"`{scope}`" for scope in scopes) for scopes in needed)
        operation["description"] = f"{operation['description']}\n\nNeeds the {word} {either}."
    for parameter in operation.get("parameters", []):
        _tidy(parameter)
    answers = operation["responses"]
    answers["405"] = refusal(Kind.NOT_ALLOWED) | {"description": NO_METHOD}
    for answer in answers.values():
        limits = LIMITS if operation["security"] else ()
        answer["headers"] = headers(EVERYWHERE, *limits) | answer.get("headers", {})
    operation["responses"] = dict(sorted(answers.items()))


def _needed(dependant: Dependant) -> Iterator[tuple[Scope, ...]]:
    """The scopes that a route's dependencies, and theirs, ask for; each is enough."""
    for each in dependant.dependencies:
        yield from SCOPES.get(each.call, ())
        yield from _needed(each)


def _tidy(parameter: dict[str, Any]) -> None:
    """
    A parameter without null, which no query can hold, and without a default.

    Some generated clients send defaults, and a setting that does not apply to a body is refused.
    """
    schema = parameter["schema"]
    schema.pop("title", None)
    if "anyOf" in schema:
        [only] = [each for each in schema.pop("anyOf") if each != {"type": "null"}]
        schema = only | schema
    description = schema.pop("description", parameter.get("description")) or NAMED.get(parameter["name"])
    default = schema.pop("default", None)
    if default not in (None, ""):
        shown = str(default).lower() if isinstance(default, bool) else default
        description = f"{description or ''} Default: `{shown}`.".strip()
    if description:
        parameter["description"] = description
    parameter["schema"] = schema
