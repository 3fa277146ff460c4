"""
The FastAPI app: routes, refusals and the OpenAPI document.

Composition only; `AppState` holds what the routes work with.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

from api import (
    audit,
    bulk_acts,
    causes,
    credentials,
    events,
    health,
    history,
    metrics,
    openapi,
    operations,
    queries,
    submissions,
    webhook_upkeep,
    webhooks,
    workers,
)
from api.conditional import Conditional
from api.head import Head
from api.problem import Kind, ProblemError, answer_problem, no_ledger
from api.state import AppState
from api.waiting import wait_for
from provisioning.errors import (
    InvalidInputError,
    LedgerUnavailableError,
    NoRoomError,
    NotFoundError,
)
from provisioning.ledger.encryption import SealedError

COMPRESSED_FROM = 1024
"""Bytes from which on an answer is compressed, if the client accepts that."""

COMPRESSION = 5
"""Level of gzip: above it time grows faster than size falls."""

PARTS = (
    *(submissions, queries, causes, history, events, audit, workers),
    *(operations, bulk_acts, credentials),
    *(webhooks, webhook_upkeep, metrics, health, openapi),
)
"""Modules with routes."""


def make_app(app_state: AppState) -> FastAPI:
    """The app for this state; it closes the state's ledger when it ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        waiting = asyncio.create_task(wait_for(app_state.ledger, app_state.fit, app_state.closing))
        reading = asyncio.create_task(app_state.event_waiters.run(app_state.closing))
        delivering = asyncio.create_task(app_state.webhooks.run(app_state.closing, app_state.event_waiters))
        acting = asyncio.create_task(app_state.bulk_acts.run(app_state.closing))
        others = [asyncio.ensure_future(run(app_state.closing)) for run in app_state.background]
        yield
        app_state.closing.set()
        await asyncio.gather(waiting, reading, delivering, acting, *others)
        app_state.notifier.close()
        await app_state.ledger.close()

    app = _routes(lifespan)
    app.state.app_state = app_state
    _handle(app)
    # The last is the outermost.
    app.add_middleware(Conditional)
    app.add_middleware(Head)
    app.add_middleware(GZipMiddleware, minimum_size=COMPRESSED_FROM, compresslevel=COMPRESSION)
    return app


def described() -> dict[str, Any]:
    """OpenAPI of the app; no `AppState` is needed."""
    return _routes(None).openapi()


def _routes(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None) -> FastAPI:
    app = FastAPI(
        title="Widget provisioner",
        version="1",
        description=openapi.INTRODUCTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    for part in PARTS:
        app.include_router(part.router)
    made: dict[str, Any] = {}

    def document() -> dict[str, Any]:
        if not made:
            made.update(openapi.describe(app))
        return made

    app.openapi = document  # type: ignore[method-assign] # as FastAPI's documentation says
    return app


def _handle(app: FastAPI) -> None:
    app.add_exception_handler(ProblemError, answer_problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(NotFoundError, _not_found)
    app.add_exception_handler(InvalidInputError, _unreadable)
    app.add_exception_handler(LedgerUnavailableError, _no_ledger)
    app.add_exception_handler(NoRoomError, _no_room)
    app.add_exception_handler(SealedError, _sealed)
    app.add_exception_handler(Exception, _internal)


async def _http(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    kind = next((kind for kind in Kind if kind.status == status), Kind.BAD_REQUEST)
    headers = dict(getattr(error, "headers", None) or {})
    if kind is Kind.NOT_ALLOWED:
        # Starlette names the methods of the first route of this path; FastAPI has a route for each method.
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return ProblemError(kind, kind.title).response(headers)


def _methods(request: Request) -> set[str]:
    """Every method that this path knows."""
    found: set[str] = set()
    for part in PARTS:
        for route in part.router.routes:
            match, _ = route.matches(request.scope)
            if match is not Match.NONE:
                found |= getattr(route, "methods", None) or set()
    return found | ({"HEAD"} if "GET" in found else set())


async def _invalid(_: Request, error: Exception) -> Response:
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    # What was sent is left out: only where, and what is wrong with it.
    problems = [
        {"row": None, "field": ".".join(map(str, each["loc"][1:])), "problem": each["msg"], "hint": ""}
        for each in errors
    ]
    return ProblemError(Kind.INVALID, "a parameter is invalid", problems=problems).response()


async def _gone(_: Request, error: Exception) -> Response:  # noqa: ARG001 - nobody will read it
    return ProblemError(Kind.BAD_REQUEST, "the request ended early").response()


async def _not_found(_: Request, error: Exception) -> Response:  # noqa: ARG001
    return ProblemError(Kind.NOT_FOUND, "not found in the ledger").response()


async def _unreadable(_: Request, error: Exception) -> Response:
    message = error.message if isinstance(error, InvalidInputError) else ""
    return ProblemError(Kind.INVALID, message).response()


async def _no_ledger(_: Request, error: Exception) -> Response:  # noqa: ARG001
    return no_ledger().response()


async def _no_room(_: Request, error: Exception) -> Response:
    detail = error.message if isinstance(error, NoRoomError) else ""
    return ProblemError(Kind.NO_ROOM, detail, hint="report it to the operator of the server").response()


async def _sealed(_: Request, error: Exception) -> Response:
    detail, hint = (error.message, error.hint) if isinstance(error, SealedError) else ("", "")
    return ProblemError(Kind.NO_KEYS, detail, hint=hint, retry_after=30).response()


async def _internal(_: Request, error: Exception) -> Response:  # noqa: ARG001
    return ProblemError(Kind.INTERNAL, "unexpected error; see the log of the server").response()
