"""
Protects the pages against CSRF, framing, foreign scripts and DNS rebinding.

An ASGI app around the whole server. Pages are all paths that are not the HTTP API's.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

OF_THE_API: Final = ("/v1/", "/docs", "/openapi.json", "/metrics", "/healthz", "/readyz")

_LOOPBACK: Final = frozenset(["localhost", "127.0.0.1", "::1"])


class Guard:
    """
    Refuses pages to other hosts' names, and forms from other sites.

    Args:
        origins: addresses by which browsers reach the console, such as `https://console.example`; loopback is
            always one.
    """

    def __init__(self, app: ASGIApp, origins: Iterable[str] = ()) -> None:
        self._app = app
        self._hosts = _LOOPBACK | {urlsplit(origin).hostname or "" for origin in origins}
        self._origins = frozenset(origin.rstrip("/") for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(OF_THE_API):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if _host(headers) not in self._hosts:
            # Another name may lead a browser here by DNS, with the cookies of that name's site.
            text = "This server does not answer to this name: set PROVISION_CONSOLE_ORIGINS."
            await PlainTextResponse(text, 421)(scope, receive, send)
            return
        if scope["method"] not in ("GET", "HEAD") and not self._is_own(headers, scope["scheme"]):
            await PlainTextResponse("The form was sent from another site.", 403)(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(raw=[*message["headers"]])
                for name, value in HEADERS.items():
                    found.setdefault(name, value)
                message = {**message, "headers": found.raw}
            await send(message)

        await self._app(scope, receive, send_guarded)

    def _is_own(self, headers: Headers, scheme: str) -> bool:
        """
        Whether a form was sent from a page of ours.

        Source: Fetch Metadata (`Sec-Fetch-Site`), which browsers send to HTTPS and loopback; else the Origin
        header, which they send with every POST.
        """
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site == "same-origin"
        origin = headers.get("origin", "")
        return origin in self._origins or origin == f"{scheme}://{headers.get('host', '')}"


def _host(headers: Headers) -> str:
    return urlsplit(f"//{headers.get('host', '')}").hostname or ""


FORM_TOKEN_BYTES: Final = 16
"""Length of a form token and of its pad: 128 bits cannot be guessed."""

_MASKED: Final = re.compile(rf"[0-9a-f]{{{4 * FORM_TOKEN_BYTES}}}")


def masked_form_token(token: bytes, pad: bytes) -> str:
    """
    A form token as a page carries it: the pad, and the token under the pad.

    With a random pad for each page, a token never repeats. The size of a compressed page would else tell
    whether a word that the page repeats from its address is like a part of the token.

    Args:
        token, pad: `FORM_TOKEN_BYTES` each.
    Source: BREACH (breachattack.com), "Masking Secrets"; Django's `_mask_cipher_secret`.
    """
    return (pad + _xor(token, pad)).hex()


def is_form_token(shown: str, known: str) -> bool:
    """Whether two masked form tokens are the same one; compared in constant time."""
    if not _MASKED.fullmatch(shown):
        return False
    return hmac.compare_digest(_unmasked(shown), _unmasked(known))


def _unmasked(masked: str) -> bytes:
    text = bytes.fromhex(masked)
    return _xor(text[:FORM_TOKEN_BYTES], text[FORM_TOKEN_BYTES:])


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
