"""The pages of the console added to the HTTP API's app, and what protects them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from api.state import AppState
from console.web.draft_work import DraftWork
from console.web.guard import OF_THE_API, Guard
from console.web.live_sessions import LiveSessions
from console.web.pages import (
    audit,
    batches,
    bulk_act_forms,
    bulk_acts,
    dead_letters,
    holds,
    in_doubt,
    jobs,
    live,
    paces,
    reconciling,
    resolving,
    retention,
    sending,
    sending_forms,
    sign_in,
    static,
    workers,
)
from console.web.password_checks import PasswordChecks
from console.web.route import error_page
from console.web.shared_reads import SharedReads
from provisioning.config.settings import Settings

READING = (
    sign_in,
    sending,
    batches,
    dead_letters,
    in_doubt,
    jobs,
    bulk_acts,
    workers,
    audit,
    retention,
    live,
    static,
)
"""Modules with pages that change nothing."""

WRITING = (sending_forms, holds, bulk_act_forms, resolving, reconciling, paces)
"""Modules with forms."""


def add_pages(app: FastAPI, settings: Settings, *, entrance: tuple[str, str] | None = None) -> ASGIApp:
    """
    The app with the pages that PROVISION_CONSOLE asks for; as it is if that is `off`.

    Args:
        entrance: a code that signs in once, and the id of the token that it is good for.
    """
    if settings.console == "off":
        return app
    app.state.console = settings.console
    app.state.entrance = entrance
    app.state.password_checks = PasswordChecks()
    app.state.shared_reads = SharedReads()
    app.state.live_sessions = LiveSessions(app.state.app_state.ledger.sessions)
    _answer_with_pages(app)
    app_state: AppState = app.state.app_state
    work = DraftWork(app_state.ledger, app_state.credentials, settings.rate, app_state.notifier.notify)
    app.state.draft_work = work
    if settings.console == "full":
        app_state.background.append(work.run)
    for module in (*READING, *(WRITING if settings.console == "full" else ())):
        app.include_router(module.router)
    return Guard(app, settings.console_origins)


def _answer_with_pages(app: FastAPI) -> None:
    """Has an unknown path and an unexpected error answered with a page too, where a person looks."""
    of_api: dict[type[Exception], Any] = {
        kind: app.exception_handlers[kind] for kind in (HTTPException, Exception)
    }

    async def answer(request: Request, error: Exception) -> Response:
        http = isinstance(error, HTTPException)
        if request.url.path.startswith(OF_THE_API):
            found: Response = await of_api[HTTPException if http else Exception](request, error)
            return found
        if isinstance(error, HTTPException):
            return error_page(
                request, error.status_code, "not_found" if error.status_code == 404 else "refused"
            )
        return error_page(request, 500, "internal")

    for kind in of_api:
        app.add_exception_handler(kind, answer)
