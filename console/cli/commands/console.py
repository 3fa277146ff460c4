"""`console`: the pages for one person on this machine, with nothing to set up."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
import time
import webbrowser
from functools import partial
from typing import Annotated

import typer
from pydantic import SecretStr

from console.cli import person
from console.cli.language import tr
from console.cli.shell import cli, talk
from provisioning.config.settings import Settings
from provisioning.embedded.workplace import local_worker, workplace
from provisioning.ledger.tokens import Scope, make_token


@cli.command()
def console(
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Port; 0 for any free port.")
    ] = 0,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
) -> None:
    """
    Open the web console for yourself, on this machine only.

    Prints a link that signs in once. Without PROVISION_REDIS_URL, a worker and a Redis run with it.

    Example: provision console
    """
    # FastAPI takes half a second to import, which no other command should spend.
    from api.server import serve
    from console.web.site import add_pages
    from outcomes.outcome_files import export

    code = secrets.token_urlsafe(32)

    def ready(url: str) -> None:
        link = f"{url}/enter?code={code}"
        talk.print(tr("open {link}", link=link), soft_wrap=True, highlight=False)
        talk.print(tr("The link works once, on this machine. Ctrl-C ends the console."), soft_wrap=True)
        if open_ and _has_screen():
            webbrowser.open(link)

    with contextlib.ExitStack() as stack:
        place = stack.enter_context(workplace())
        if place.embedded:
            stack.enter_context(local_worker(place))
        settings, token_id = _with_own_token(place.settings)
        serve(
            settings,
            "127.0.0.1",
            port,
            export=export,
            on_ready=ready,
            environ=os.environ,
            pages=partial(add_pages, entrance=(code, token_id)),
        )


def _with_own_token(settings: Settings) -> tuple[Settings, str]:
    """The settings with a token for this person, which lives as long as the process; and its id."""
    name = re.sub(r"[^A-Za-z0-9._-]", ".", person.current_user()).strip("._-")[:64] or "console"
    scopes = [scope for scope in Scope if scope is not Scope.METRICS]
    token, _ = make_token(name, scopes, time.time(), all_owners=True)
    presets = f"{settings.api_tokens.get_secret_value()} {token.preset}"
    own = {
        "api_tokens": SecretStr(presets),
        "console": "full" if settings.console == "off" else settings.console,
        # One line a request is for those who run a service.
        "log_level": os.environ.get("PROVISION_LOG_LEVEL", "warning"),
    }
    return settings.model_copy(update=own), token.id


def _has_screen() -> bool:
    """Whether a browser can be opened: without a screen, a text browser would take the terminal."""
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
