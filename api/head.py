"""HEAD is GET without the body (RFC 9110, section 9.3.2): an ASGI app around another that answers it."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Head:
    """Has the app answer GET, and sends no body. A stream without an end is ended after its head."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        begun = False
        asked = {**scope, "method": "GET"}

        async def receive_until_begun() -> Message:
            return {"type": "http.disconnect"} if begun else await receive()

        async def send_head(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                scope.update({**asked, "method": "HEAD"})  # its route, its token and what is left of its rate
                await send(message)
                await send({"type": "http.response.body", "body": b""})
                begun = True

        await self._app(asked, receive_until_begun, send_head)
