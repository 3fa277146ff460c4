"""
The server process of the HTTP API: uvicorn around the app.

The composition root of `provision serve`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from api.access_log import AccessLog
from api.app import make_app
from api.connections import (
    ACCEPTED_AT_ONCE,
    Book,
    LimitedProtocol,
    Throttle,
    most_connections,
)
from api.state import AppState, Export
from api.waiting import make_sure
from producers.notifier import BackgroundNotifier
from provisioning.broker.queue import Notifier, Waiting
from provisioning.broker.queue import make_app as make_celery
from provisioning.config.settings import Settings
from provisioning.errors import ConfigurationError
from provisioning.ledger import Ledger
from provisioning.observability import tracing
from provisioning.observability.log_events import PROGRAM_STARTED, PROGRAM_STOPPED
from provisioning.observability.logs import configure, log_event

CONNECTIONS = 32
"""Connections to Redis: requests hold one for a fraction of a millisecond."""

BACKLOG = 4096
"""Connections that wait to be taken."""

STOP_TIMEOUT = 20
"""Seconds that requests have to end when the server stops; an upload cut short is repeated by its sender."""


def serve(
    settings: Settings,
    host: str,
    port: int,
    *,
    export: Export | None,
    on_ready: Callable[[str], None],
    environ: Mapping[str, str],
    pages: Callable[[FastAPI, Settings], ASGIApp] | None = None,
) -> None:
    """
    Serves until SIGTERM or SIGINT; waits while Redis is unavailable.

    Args:
        port: 0 for any free one.
        on_ready: called with the address once requests are accepted.
        environ: the environment, with OpenTelemetry's own settings.
        pages: adds the pages of the web console to the app; None for the HTTP API alone.
    Raises: ConfigurationError if the address cannot be taken; LedgerUnfitError, ContractError.
    """
    if settings.redis is None:
        raise ConfigurationError("the HTTP API needs a Redis")
    configure("serve", settings)
    for name in ("uvicorn.error", "asyncio"):
        logging.getLogger(name).addFilter(Throttle())
    tracer = tracing.configure(environ, program="serve")
    asyncio.run(_check(settings.redis))
    celery = make_celery(settings)
    notifier = Notifier(celery)

    with_pages = pages or (lambda app, _: app)

    async def run() -> None:
        app_state = AppState(
            settings,
            Ledger.of(settings, connections=CONNECTIONS),
            BackgroundNotifier(notifier.notify),
            export,
            waiting=Waiting(celery).count if settings.broker != settings.redis else None,
        )
        config = uvicorn.Config(
            AccessLog(with_pages(make_app(app_state), settings)),
            host=host,
            port=port,
            log_config=None,  # its records go through our own logging
            access_log=False,
            server_header=False,
            http=cast(Any, partial(LimitedProtocol, book=Book(most_connections()))),
            backlog=ACCEPTED_AT_ONCE,
            timeout_graceful_shutdown=STOP_TIMEOUT,
            ws="none",
            lifespan="on",
        )
        with _listening(host, port) as listener:
            taken = listener.getsockname()[1]
            shown = f"[{host}]" if ":" in host else host

            def ready() -> None:
                log_event(PROGRAM_STARTED, traced=tracer is not None)
                on_ready(f"http://{shown}:{taken}")

            await _Server(config, app_state, ready).serve([listener])

    try:
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn has stopped in good order
            asyncio.run(run())
    finally:
        log_event(PROGRAM_STOPPED)
        tracing.close()


def _listening(host: str, port: int) -> socket.socket:
    """
    A socket bound to this address. Raises: ConfigurationError.

    Created with the protocol TCP, because asyncio sends small writes at once on such sockets only. uvicorn's
    own socket omits it: each answer, which is two writes, then takes 40 ms (Nagle's algorithm and a delayed
    acknowledgement).
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host} port {port} ({error.strerror})",
            hint="the port may be in use; choose another --port",
        ) from error
    return listener


async def _check(redis: str) -> None:
    async with Ledger.at(redis) as ledger:
        await make_sure(ledger)


class _Server(uvicorn.Server):
    """Calls `on_ready` once it accepts requests, and ends event streams when it stops."""

    def __init__(self, config: uvicorn.Config, app_state: AppState, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._app_state = app_state
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            # asyncio has one setting for the listen backlog and for the connections accepted in one step. A
            # client that connects together with a thousand others must wait, not be refused.
            listener.listen(BACKLOG)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app_state.closing.set()
        await super().shutdown(sockets)
