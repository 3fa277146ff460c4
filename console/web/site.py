"""The pages of the console added to the HTTP API's app, and what protects them."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import ASGIApp

from console.web.guard import Guard
from console.web.pages import acts, audit, batches, dead_letters, in_doubt, jobs, sign_in, static, workers
from console.web.password_checks import PasswordChecks
from provisioning.config.settings import Settings

READING = (sign_in, batches, dead_letters, in_doubt, jobs, workers, audit, static)
"""Modules with pages that change nothing."""


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
    for module in READING:
        app.include_router(module.router)
    if settings.console == "full":
        app.include_router(acts.router)
    return Guard(app, settings.console_origins)
