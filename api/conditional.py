"""
Conditional requests: an answer that the client has already is not sent again (RFC 9110, section 13).

An ASGI app around another. An answer of 200 whose `Cache-Control` is `REVALIDATE` gets an ETag of its body.
If `If-None-Match` names this ETag, the answer is 304 without a body.
"""

from __future__ import annotations

import hashlib
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REVALIDATE: Final = "private, no-cache"
"""Answers with this may be stored by the client, and are asked for again each time."""


class Conditional:
    """Adds ETags and answers 304; see above."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, Headers(scope=scope).get("if-none-match", ""))
        await self._app(scope, receive, answer.send)


class _Answer:
    """Keeps the head of an answer back until its body is known."""

    def __init__(self, send: Send, known: str) -> None:
        self._send = send
        self._known = known
        self._head: Message | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            cached = Headers(raw=message["headers"]).get("cache-control") == REVALIDATE
            if message["status"] == 200 and cached:
                self._head = message
                return
        elif self._head is not None:
            head, self._head = self._head, None
            if not message.get("more_body"):
                message = self._tagged(head, message)
            await self._send(head)
        await self._send(message)

    def _tagged(self, head: Message, body: Message) -> Message:
        """Adds the ETag to the head; makes it a 304 if the client has the body. Returns: the body to send."""
        headers = MutableHeaders(raw=head["headers"])
        # Weak: the same body may be sent compressed as well.
        tag = f'W/"{hashlib.sha256(body.get("body", b"")).hexdigest()[:32]}"'
        headers["etag"] = tag
        head["headers"] = headers.raw
        if not _names(self._known, tag):
            return body
        del headers["content-length"], headers["content-type"]
        head["status"], head["headers"] = 304, headers.raw
        return {**body, "body": b""}


def _names(known: str, tag: str) -> bool:
    """Whether an `If-None-Match` names this weak ETag; compared as weak ones are (section 8.8.3.2)."""
    tags = {each.strip().removeprefix("W/") for each in known.split(",")}
    return "*" in tags or tag.removeprefix("W/") in tags
