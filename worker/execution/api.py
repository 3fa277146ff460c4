"""
The one call that this program makes: `POST {base}/v1/widget/create`.

What belongs here: sending the request, and the reply as our own value. A reply, network errors included, is
a value (`Answer` or `NoAnswer`), never an exception; `classify` interprets it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import httpx

from provisioning.attempt import Evidence
from provisioning.causes import Cause
from provisioning.config.credentials import Credential
from provisioning.errors import ConfigurationError
from provisioning.observability.log_events import ANSWER_MISREAD
from provisioning.observability.logs import log_event
from provisioning.user_agent import user_agent as own_user_agent
from worker.execution.reply import Answer, NoAnswer, Reply
from worker.execution.transport import AiohttpTransport, Wire

CREATE_PATH: Final = "/v1/widget/create"

_HEADERS_KEPT: Final = frozenset({b"retry-after", b"content-type", b"location"})


@dataclass(frozen=True, slots=True)
class Timeouts:
    """
    How long each part of one POST may take, in seconds.

    Attributes:
        connect: look-up, TCP and TLS together.
        write: until the server has accepted the whole body.
        read: each pause while waiting for the answer or reading it.
        pool: waiting for a free connection, where their number is capped.
        total: everything but the wait for the pool; None for `connect + write + 2 * read`. It ends an answer
            that arrives too slowly, and it is the "attempt timeout" that a lease must exceed
            (`attempt_seconds`).
    """

    connect: float = 5.0
    write: float = 10.0
    read: float = 30.0
    pool: float = 10.0
    total: float | None = None

    def __post_init__(self) -> None:
        for name in ("connect", "write", "read", "pool", "total"):
            seconds = getattr(self, name)
            if seconds is not None and seconds <= 0:
                raise ConfigurationError(f"the {name} timeout is {seconds:g} s; it must be above 0")

    @property
    def total_seconds(self) -> float:
        return self.connect + self.write + 2 * self.read if self.total is None else self.total

    @property
    def attempt_seconds(self) -> float:
        """The longest that `create_widget` can take."""
        # aiohttp rounds deadlines above 5 s up to the next whole second of the loop's clock.
        return self.pool + self.total_seconds + 1.0


class WidgetApi:
    """
    The target API; an async context manager, used from one event loop.

    Args:
        base_url: `https://api.jelou.ai`, with or without a trailing slash or a path in front.
        transport: how requests travel; tests pass `httpx.MockTransport`. Closed with the api.
        clock: monotonic seconds.

    Raises: ConfigurationError if `base_url` is not an http(s) address, or holds a user or password.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeouts: Timeouts | None = None,
        user_agent: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        timeouts = timeouts or Timeouts()
        self.url = _create_url(base_url)
        self._clock = clock
        self._timeout = {
            "connect": timeouts.connect,
            "write": timeouts.write,
            "read": timeouts.read,
            "pool": timeouts.pool,
            "total": timeouts.total_seconds,
        }
        self._user_agent = user_agent or own_user_agent()
        self._headers: dict[str, httpx.Headers] = {}  # one per credential in use
        # httpx's transport interface, not its client: the client's features (redirects, cookies, auth flows,
        # environment proxies) are not needed here, and cost a fifth of the time of a POST.
        self._transport = transport or AiohttpTransport()

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    async def create_widget(self, body: bytes, credential: Credential, wire: Wire | None = None) -> Reply:
        """
        POST `body`, exactly as given, once.

        Raises nothing for errors of the API or the network, nor for a bug while reading the reply. A
        cancellation passes through; `wire` then shows how far the request had got.
        """
        wire = wire or Wire()
        request = httpx.Request(
            "POST",
            self.url,
            headers=self._headers_for(credential),
            stream=httpx.ByteStream(body),
            extensions={"timeout": self._timeout, "wire": wire},
        )
        began = self._clock()
        try:
            response = await self._transport.handle_async_request(request)
            content = await _content(response)
        except httpx.RequestError as exc:
            return _no_answer(wire, _cause_of(exc), str(exc), self._clock() - began)
        except Exception as exc:  # noqa: BLE001  a widget may exist: whatever happened must be recorded
            # Never the exception's own text: it may quote the answer, and with it the widget's key.
            kind = type(exc).__name__
            log_event(ANSWER_MISREAD, evidence=wire.evidence, status=wire.status, exception=exc)
            cause = Cause.CONNECT_FAILURE if wire.evidence is Evidence.NOTHING_SENT else Cause.PROTOCOL_ERROR
            return _no_answer(wire, cause, f"an unforeseen {kind}", self._clock() - began)
        headers = {
            name.lower(): value.decode("latin-1")
            for name, value in response.headers.raw
            if name.lower() in _HEADERS_KEPT
        }
        return Answer(
            response.status_code,
            content,
            retry_after=headers.get(b"retry-after", ""),
            content_type=headers.get(b"content-type", ""),
            location=_location(response) or headers.get(b"location", ""),
            seconds=self._clock() - began,
        )

    def _headers_for(self, credential: Credential) -> httpx.Headers:
        authorization = credential.authorization
        headers = self._headers.get(authorization)
        if headers is None:
            headers = self._headers[authorization] = httpx.Headers(
                {
                    "Authorization": authorization,
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                    # An answer is about a kilobyte: compression saves no packet, and bombs are possible.
                    "Accept-Encoding": "identity",
                    "User-Agent": self._user_agent,
                }
            )
        return headers


def _create_url(base_url: str) -> httpx.URL:
    hint = "PROVISION_API_URL is the address of the API, such as https://api.jelou.ai"
    try:
        url = httpx.URL(base_url.strip())
    except httpx.InvalidURL as exc:
        raise ConfigurationError(f"the API address cannot be read: {exc}", hint=hint) from exc
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigurationError("the API address must begin with https:// and name a host", hint=hint)
    if url.userinfo:
        raise ConfigurationError("the API address holds a user or password", hint="give them as credentials")
    if url.query or url.fragment:
        raise ConfigurationError("the API address must end with its path: no ? and no #", hint=hint)
    return url.copy_with(path=url.path.rstrip("/") + CREATE_PATH)


def _no_answer(wire: Wire, cause: Cause, message: str, seconds: float) -> NoAnswer:
    # A complete answer that could not be read counts as no answer: only its status is known.
    evidence = Evidence.STATUS_SEEN if wire.evidence is Evidence.ANSWERED else wire.evidence
    return NoAnswer(evidence, wire.cause or cause, message, wire.status, seconds)


async def _content(response: httpx.Response) -> bytes:
    """The answer's bytes, without httpx's decoders: the transport has decompressed them."""
    if not isinstance(response.stream, httpx.AsyncByteStream):
        return await response.aread()
    return b"".join([part async for part in response.stream])


def _location(response: httpx.Response) -> str:
    location: bytes = response.extensions.get("location", b"")
    return location.decode("latin-1")


def _cause_of(exc: httpx.RequestError) -> Cause:
    """The cause for an error of a transport without a `Wire`."""
    for kind, cause in _CAUSES.items():
        if isinstance(exc, kind):
            return cause
    return Cause.READ_FAILURE


_CAUSES: Final[dict[type[httpx.RequestError], Cause]] = {
    httpx.ConnectTimeout: Cause.CONNECT_TIMEOUT,
    httpx.ConnectError: Cause.CONNECT_FAILURE,
    httpx.PoolTimeout: Cause.POOL_TIMEOUT,
    httpx.WriteTimeout: Cause.WRITE_TIMEOUT,
    httpx.WriteError: Cause.WRITE_FAILURE,
    httpx.ReadTimeout: Cause.READ_TIMEOUT,
    httpx.ProtocolError: Cause.PROTOCOL_ERROR,
}
