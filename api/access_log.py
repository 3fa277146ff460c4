"""
ASGI middleware: logs one line and records one span per request, both with the request's id.

It wraps FastAPI, so that it covers every request and every answer. The routes store the route and the
token's name in the request's scope.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from provisioning.observability.log_events import REQUEST_ANSWERED
from provisioning.observability.logs import bound, log_event
from provisioning.observability.tracing import read, span, trace_id

QUOTA: Final = "provision.quota"
"""Where a request's scope has what is left of the token's rate."""

REQUEST_ID: Final = "provision.request_id"
"""Key of the request's id in its scope."""

CALLER: Final = "provision.caller"
"""Key of the token's name in the scope of a request."""

QUIET: Final = frozenset(["/healthz", "/readyz", "/metrics"])
"""Routes that machines request every few seconds."""

_ID: Final = re.compile(r"[\w-]{8,64}", re.ASCII)


class AccessLog:
    """
    An ASGI app around another.

    An unexpected error is logged with its request, and is not raised again once the request has been
    answered: uvicorn would log it a second time, and its text may quote the request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
        scope[REQUEST_ID] = request_id
        parent = read(headers.get("traceparent", ""))
        answer = _Answer(send, request_id, scope)
        with bound(request_id=request_id), span(scope["method"], "server", parent=parent) as served:
            error: Exception | None = None
            try:
                await self._app(scope, receive, answer.send)
            except Exception as caught:
                error = caught
                if not answer.status:
                    raise
            finally:
                facts = {**_facts(scope, headers), "status": answer.status or None}
                served.rename(f"{scope['method']} {facts['route']}")
                served.add(**facts)
                trace = trace_id(served.traceparent)
                duration = time.perf_counter() - answer.began
                _log_request(facts, answer.status, trace_id=trace, duration_s=duration, exception=error)


class _Answer:
    """Records status and size of the answer, and adds the request's id."""

    def __init__(self, send: Send, request_id: str, scope: Scope) -> None:
        self.began = time.perf_counter()
        self.status = 0
        self._send = send
        self._id = request_id
        self._scope = scope

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(raw=[*message["headers"]])
            headers["X-Request-Id"] = self._id
            if quota := self._scope.get(QUOTA):
                headers.update(quota.headers)
            message = {**message, "headers": headers.raw}
        await self._send(message)


def _facts(scope: Scope, headers: Headers) -> dict[str, Any]:
    key = headers.get("idempotency-key")
    return {
        "method": scope["method"],
        "route": getattr(scope.get("route"), "path", "/{unknown}"),
        "token": scope.get(CALLER),
        "idempotency_hash": hashlib.sha256(key.encode()).hexdigest()[:12] if key else None,
    }


def _log_request(facts: Mapping[str, Any], status: int, **more: object) -> None:
    level = logging.INFO
    if facts["route"] in QUIET:
        level = logging.DEBUG
    elif status >= 500 or not status:
        level = logging.ERROR if status != 503 else logging.WARNING
    log_event(replace(REQUEST_ANSWERED, level=level), **facts, **more)
