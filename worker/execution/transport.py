"""
httpx over aiohttp, with a record of how far each request got.

What belongs here: the translation of one httpx request into one aiohttp request and back, aiohttp's
errors into httpx's, and the `Wire` record. No other module of the worker uses aiohttp's client.

Why not an existing transport: httpx's own scans its whole pool per request (330 requests/s at 100 in
flight), and the ready-made bridges report a connection dropped after the request as `ConnectTimeout`
or `ConnectError` (docs/decisions/0002), after which a retry creates a second widget.

How `NOTHING_SENT` is proven (from the source of aiohttp 3.14; test_wire_evidence.py verifies it):

1. Every byte of a request leaves through `StreamWriter._write` or `._writelines` (http_writer.py).
   Before `write_headers` was awaited the writer has nothing to write: it is created in
   `ClientRequest.send` and `write_headers` is the first call made on it.
2. `write_headers` first awaits `on_request_headers_sent`; only then are the headers
   serialized, into a buffer that the body's task flushes later. So "the hook has not fired" implies
   "no byte was passed to the socket". (TLS handshakes are not bytes of the request.)
3. The converse does not hold: between hook and socket the attempt can still fail (cancelled; "Cannot
   write to closing transport" on a pooled connection that was just dropped). Such an attempt counts
   as sent. At worst a person must check it; it never causes a second widget.
4. Nothing sends twice. aiohttp resends on a dropped pooled connection only for idempotent methods,
   and POST is not one, we install no middleware, and redirects are off. If a later version behaves
   differently, the hook refuses a second sending before its first byte.
"""

from __future__ import annotations

import asyncio
import errno
import re
import ssl
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import aiohttp
import httpx
from multidict import CIMultiDict
from yarl import URL

from provisioning.attempt import Evidence
from provisioning.causes import Cause

MAX_ANSWER_BYTES: Final = 1 << 20
"""The answer for a created widget has 1 to 20 KB; a megabyte comes from some other service."""

KEEPALIVE_SECONDS: Final = 4.0
"""
How long a pooled connection may idle and still be used.

Servers close idle connections after their own timeout: node's default is 5 s, many proxies' is 60. A request
written at the moment the server closes gets a reset, and nothing shows whether it was read: one more job
in doubt. So we close first, a second before the shortest common default. A new connection costs one round
trip, and only after 4 idle seconds.
"""

MAX_HEADER_BYTES: Final = 1 << 16
"""Bytes of one header line of an answer: some gateways send cookies and policies above aiohttp's 8 KB."""

DNS_TTL_SECONDS: Final = 30
"""A name is resolved once in that time, not once per connection; short enough for a failover."""

_WATCHED_BODY_BYTES: Final = 32 * 1024
"""
The write timeout applies to bodies above this. Below it nothing can wait: a writer is paused
only when more than 64 KiB of it are unsent (asyncio's high-water mark), and a pooled connection is empty.
"""

# Of a TLS connection whose peer never closes, Pythons with cpython#118950 unfixed leak the transport.
_LEAKS_TLS_TRANSPORTS: Final = sys.version_info < (3, 12, 7) or sys.version_info[:3] == (3, 13, 0)

_KEPT: Final = re.compile(r"\btimeout\s*=\s*([0-9]{1,9})", re.IGNORECASE)

_RESETS: Final = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})


class Wire:
    """
    How far one request got; readable at any time, also after a cancellation.

    Put one into `request.extensions["wire"]`. Evidence starts as `SENT`, because a transport that
    does not keep the record proves nothing; `AiohttpTransport` sets it to `NOTHING_SENT` on
    entry and raises it as bytes are sent.

    Attributes:
        evidence: how far it provably got.
        reused: whether it went over a pooled connection.
        status: HTTP status, None until a status line was read.
        cause: of the missing answer, as one word; empty while an answer may still arrive.
        on_sent: called when the first byte is about to leave.
    """

    __slots__ = ("cause", "evidence", "on_sent", "reused", "status")

    def __init__(self) -> None:
        self.evidence = Evidence.SENT
        self.reused = False
        self.status: int | None = None
        self.cause = ""
        self.on_sent: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return (
            f"Wire(evidence={self.evidence.value!r}, status={self.status}, "
            f"cause={self.cause!r}, reused={self.reused})"
        )


class _Connector(aiohttp.TCPConnector):
    """A pool whose keep-alive time can be shortened after it was created."""

    _keepalive_timeout: float

    def hang_up_after(self, seconds: float) -> None:
        """Shortens the time that a connection may be idle and still be used; never lengthens it."""
        self._keepalive_timeout = min(self._keepalive_timeout, seconds)


class AiohttpTransport(httpx.AsyncBaseTransport):
    """
    Sends each request once, and records how far it got.

    Timeouts come from `request.extensions["timeout"]` as in httpx, in seconds: `pool` for a connection under
    `max_connections`, `connect` for look-up, TCP and TLS together, `write` for sending the whole body, `read`
    for each pause; and one more, `total`, for everything from `connect` on, so that an answer that arrives
    slowly ends too. None, or a missing member, means no limit.

    No redirects, no cookies, no repeats, no environment proxies unless asked. Answers are decompressed
    and read whole, up to `max_answer_bytes` after decompression. Their reason phrase is left out, and the
    target of a redirect is in `response.extensions["location"]` (bytes): httpx raises if it cannot parse it,
    and the whole answer would be lost.

    Args:
        ca_file: certificates in PEM to trust besides the system's.
        max_connections: None for as many as there are requests (the engine caps them).
        trust_env: use HTTPS_PROXY and similar variables. Behind a plain-HTTP proxy the evidence still holds.

    Raises (from `handle_async_request`): httpx's errors, `from` aiohttp's. `ConnectTimeout`,
        `ConnectError` and `PoolTimeout` are raised only while nothing has been sent.
    """

    def __init__(
        self,
        *,
        ca_file: str | None = None,
        max_connections: int | None = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        keepalive_seconds: float = KEEPALIVE_SECONDS,
        trust_env: bool = False,
    ) -> None:
        self._tls = _tls_context(ca_file)
        self._room = asyncio.Semaphore(max_connections) if max_connections else None
        self._max_answer_bytes = max_answer_bytes
        self._keepalive_seconds = keepalive_seconds
        self._trust_env = trust_env
        self._session: aiohttp.ClientSession | None = None
        self._connector: _Connector | None = None
        self._closed = False
        # The last URL and timeouts seen: a client of one endpoint passes the same objects each time.
        self._url: tuple[httpx.URL | None, URL] = (None, URL())
        self._timeout: tuple[object, aiohttp.ClientTimeout] = (None, aiohttp.ClientTimeout())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        wire = request.extensions.get("wire")
        if not isinstance(wire, Wire):
            wire = Wire()
        wire.evidence = Evidence.NOTHING_SENT
        body = (
            b"".join(request.stream)
            if isinstance(request.stream, httpx.ByteStream)
            else await request.aread()
        )
        if self._room is None:
            return await self._send(request, body, wire)
        await _take(self._room, request, wire)
        try:
            return await self._send(request, body, wire)
        finally:
            self._room.release()

    async def aclose(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _send(self, request: httpx.Request, body: bytes, wire: Wire) -> httpx.Response:
        try:
            if len(body) > _WATCHED_BODY_BYTES:
                return await self._exchange_watched(request, body, wire)
            return await self._exchange(request, body, wire)
        except (aiohttp.ClientError, OSError) as exc:  # asyncio's TimeoutError is an OSError
            error = _translate(exc, wire)
            raise error from exc

    async def _exchange_watched(self, request: httpx.Request, body: bytes, wire: Wire) -> httpx.Response:
        """`_exchange` with the write timeout, which aiohttp lacks."""
        seconds = request.extensions.get("timeout", {}).get("write")
        if seconds is None:
            return await self._exchange(request, body, wire)
        loop = asyncio.get_running_loop()
        progress = aiohttp.UploadTracker()
        watch: asyncio.TimerHandle | None = None
        try:
            async with asyncio.timeout(None) as deadline:

                def stop_if_unwritten() -> None:
                    if progress.bytes_written < len(body) and wire.status is None:
                        deadline.reschedule(loop.time())

                def start() -> None:
                    nonlocal watch
                    watch = loop.call_later(seconds, stop_if_unwritten)

                wire.on_sent = start
                return await self._exchange(request, body, wire, progress)
        except TimeoutError as exc:
            if not deadline.expired():
                raise
            wire.cause = Cause.WRITE_TIMEOUT
            raise httpx.WriteTimeout(f"the server did not take the request within {seconds:g} s") from exc
        finally:
            wire.on_sent = None
            if watch is not None:
                watch.cancel()

    async def _exchange(
        self, request: httpx.Request, body: bytes, wire: Wire, progress: aiohttp.UploadTracker | None = None
    ) -> httpx.Response:
        response = await self._open_session().request(
            request.method,
            self._yarl(request.url),
            data=body,
            headers=CIMultiDict([(k.decode("latin-1"), v.decode("latin-1")) for k, v in request.headers.raw]),
            allow_redirects=False,
            timeout=self._client_timeout(request.extensions.get("timeout")),
            trace_request_ctx=wire,
            upload_tracker=progress,
        )
        wire.status = response.status
        wire.evidence = Evidence.STATUS_SEEN
        self._heed(response.headers.get("Keep-Alive"))
        try:
            content = await self._read(response, wire)
        except BaseException:
            response.close()  # half an answer is unread: the connection must not be reused
            raise
        wire.evidence = Evidence.ANSWERED
        return _as_httpx(response, content)

    async def _read(self, response: aiohttp.ClientResponse, wire: Wire) -> bytes:
        if response.status < 200:  # 101: what follows is not HTTP and has no end
            response.close()
            return b""
        stream = response.content
        content = await stream.readany()
        while not stream.at_eof():
            if len(content) > self._max_answer_bytes:
                break
            content += await stream.readany()
        if len(content) > self._max_answer_bytes:
            wire.cause = Cause.ANSWER_TOO_LARGE
            raise httpx.ReadError(f"the answer is longer than {self._max_answer_bytes} bytes")
        return content

    def _heed(self, keep_alive: str | None) -> None:
        """Uses idle connections no longer than the server's `Keep-Alive` allows."""
        kept = _KEPT.search(keep_alive) if keep_alive else None
        if kept is None or self._connector is None:
            return
        seconds = int(kept[1])
        self._connector.hang_up_after(seconds - 1.0 if seconds >= 2 else seconds / 2)

    def _open_session(self) -> aiohttp.ClientSession:
        # Made on first use: aiohttp binds a session to the running loop.
        if self._session is None:
            if self._closed:
                raise RuntimeError("this transport is closed")
            self._connector = _Connector(
                limit=0,
                ssl=self._tls,
                keepalive_timeout=self._keepalive_seconds,
                ttl_dns_cache=DNS_TTL_SECONDS,
                enable_cleanup_closed=_LEAKS_TLS_TRANSPORTS,
            )
            self._session = aiohttp.ClientSession(
                connector=self._connector,
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
                cookie_jar=aiohttp.DummyCookieJar(),
                # The request is sent with its own headers, and no others.
                skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
                trace_configs=[_trace_config()],
                trust_env=self._trust_env,
            )
        return self._session

    def _yarl(self, url: httpx.URL) -> URL:
        if self._url[0] is not url:
            self._url = (url, URL(str(url), encoded=True))
        return self._url[1]

    def _client_timeout(self, limits: Mapping[str, float | None] | None) -> aiohttp.ClientTimeout:
        if self._timeout[0] is not limits:
            known = limits or {}
            timeout = aiohttp.ClientTimeout(
                total=known.get("total"), connect=known.get("connect"), sock_read=known.get("read")
            )
            self._timeout = (limits, timeout)
        return self._timeout[1]


async def _take(room: asyncio.Semaphore, request: httpx.Request, wire: Wire) -> None:
    # Not aiohttp's own limit: its `connect` timeout includes both the wait and the connecting.
    seconds = request.extensions.get("timeout", {}).get("pool")
    try:
        async with asyncio.timeout(seconds):
            await room.acquire()
    except TimeoutError as exc:
        wire.cause = Cause.POOL_TIMEOUT
        raise httpx.PoolTimeout(f"no connection was free within {seconds:g} s") from exc


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


# --- Evidence: aiohttp's hooks. The context of each is the request's own Wire. ---


def _trace_config() -> aiohttp.TraceConfig:
    config = aiohttp.TraceConfig(trace_config_ctx_factory=_wire_as_context)  # type: ignore[arg-type]
    config.on_connection_reuseconn.append(_connection_reused)  # type: ignore[arg-type]
    config.on_request_headers_sent.append(_about_to_send)  # type: ignore[arg-type]
    return config


def _wire_as_context(trace_request_ctx: Wire) -> Wire:
    return trace_request_ctx


async def _connection_reused(_session: Any, wire: Wire, _params: Any) -> None:
    wire.reused = True


async def _about_to_send(_session: Any, wire: Wire, _params: Any) -> None:
    if wire.evidence is not Evidence.NOTHING_SENT:
        raise aiohttp.ClientConnectionError("refused to send the same request a second time")
    wire.evidence = Evidence.SENT
    if wire.on_sent is not None:
        wire.on_sent()


# --- Errors: aiohttp's into httpx's, once, by evidence first and by name second. ---


def _translate(exc: Exception, wire: Wire) -> httpx.RequestError:
    translate = _unsent if wire.evidence is Evidence.NOTHING_SENT else _unanswered
    kind, cause, message = translate(exc)
    wire.cause = cause
    return kind(message)


_Translation = tuple[type[httpx.TransportError], Cause, str]


def _unsent(exc: Exception) -> _Translation:
    os_error = exc.os_error if isinstance(exc, aiohttp.ClientConnectorError) else exc
    reason = (os_error.strerror if isinstance(os_error, OSError) else "") or str(os_error)
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return httpx.ConnectError, Cause.DNS_FAILURE, f"the name could not be resolved: {reason}"
    if isinstance(exc, aiohttp.ClientSSLError | aiohttp.ServerFingerprintMismatch):
        return httpx.ConnectError, Cause.TLS_FAILURE, f"no TLS connection: {reason}"
    if isinstance(os_error, TimeoutError):
        return httpx.ConnectTimeout, Cause.CONNECT_TIMEOUT, "no connection in time"
    if isinstance(os_error, ConnectionRefusedError):
        return httpx.ConnectError, Cause.CONNECT_REFUSED, "the connection was refused"
    return httpx.ConnectError, Cause.CONNECT_FAILURE, f"no connection: {reason}"


def _unanswered(exc: Exception) -> _Translation:
    if isinstance(exc, TimeoutError):  # aiohttp's `sock_read` or `total`
        return httpx.ReadTimeout, Cause.READ_TIMEOUT, "no complete answer in time"
    if isinstance(exc, aiohttp.ClientPayloadError):
        return httpx.RemoteProtocolError, Cause.TRUNCATED_ANSWER, "the answer's body is not complete"
    if isinstance(exc, aiohttp.ClientResponseError):
        return httpx.RemoteProtocolError, Cause.PROTOCOL_ERROR, "the answer is not HTTP"
    if isinstance(exc, aiohttp.ServerDisconnectedError):
        return httpx.RemoteProtocolError, Cause.CONNECTION_CLOSED, "the server hung up without an answer"
    if _while_writing(exc):
        return httpx.WriteError, Cause.WRITE_FAILURE, "the connection was lost while sending"
    if isinstance(exc, OSError) and exc.errno in _RESETS:
        return httpx.ReadError, Cause.CONNECTION_RESET, "the server reset the connection"
    return httpx.ReadError, Cause.READ_FAILURE, f"the connection failed: {exc}"


def _while_writing(exc: Exception) -> bool:
    # Only ClientRequest.write_bytes raises errors with this text; it has no class for them.
    return str(exc).partition("] ")[2].startswith("Can not write request body") or str(exc).startswith(
        ("Failed to send bytes", "Cannot write to closing transport")
    )


# --- The answer ---


def _as_httpx(response: aiohttp.ClientResponse, content: bytes) -> httpx.Response:
    packed = "Content-Encoding" in response.headers
    # aiohttp has decompressed it; httpx would do so again.
    left_out = (b"location", b"content-encoding", b"content-length") if packed else (b"location",)
    location = next((value for name, value in response.raw_headers if name.lower() == b"location"), b"")
    return httpx.Response(
        response.status,
        headers=[header for header in response.raw_headers if header[0].lower() not in left_out],
        stream=httpx.ByteStream(content),
        extensions={"http_version": b"HTTP/1.1", "location": location},
    )
