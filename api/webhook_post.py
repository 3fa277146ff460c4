"""
One signed POST to the receiver of a webhook, and what came of it.

Signed as Standard Webhooks defines it (standardwebhooks.com): `webhook-id`, `webhook-timestamp`, and in
`webhook-signature` `v1,` and the Base64 of HMAC-SHA256 over `id.timestamp.body`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from enum import StrEnum

import aiohttp
import msgspec

from producers.pull.addresses import PrivateAddressError, check_address
from provisioning.errors import ProvisioningError
from provisioning.ledger.webhooks import Came
from provisioning.user_agent import user_agent

TIMEOUT = 15.0
"""Seconds for a receiver to answer; it should store the event and process it later."""

UNREACHABLE = "unreachable"
"""
The failure of a delivery without an answer: the same word for a refused port, one that does not answer, and a
name of a private address. Otherwise a token that may set an address could explore the server's network.
"""

SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
GONE = 410

_USER_AGENT = user_agent("webhooks")


class Cause(StrEnum):
    """Why there was no answer; for the log of the server, not for the owner of the webhook."""

    ADDRESS_NOT_ALLOWED = "address_not_allowed"  # a private one, or it is no address any more
    DNS = "dns"  # the name has no address
    REFUSED = "refused"  # the port is closed
    CONNECT = "connect"  # no connection, for another reason: no route, for instance
    TLS = "tls"  # no handshake, or a certificate that is not trusted
    TIMEOUT = "timeout"  # no connection, or no answer, in time
    CLOSED = "closed"  # the connection ended before the answer
    NOT_HTTP = "not_http"  # what came is no HTTP answer
    FAILED = "failed"  # anything else


class Reaction(msgspec.Struct, frozen=True):
    """
    How a receiver has reacted to a POST.

    Attributes:
        status: of its answer; None if there was none.
        cause: why there was none; None if there was one.
        seconds: until the answer, or until it was given up.
    """

    status: int | None
    cause: Cause | None
    seconds: float

    @property
    def accepted(self) -> bool:
        """Whether the receiver has the event."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def failure(self) -> str:
        """For the owner of the webhook: the status, or `unreachable`; empty if it was accepted."""
        if self.accepted:
            return ""
        return UNREACHABLE if self.status is None else str(self.status)

    @property
    def came(self) -> Came:
        """For the owner of the webhook. How long nobody answered is left out: it would tell why."""
        milliseconds = None if self.status is None else round(self.seconds * 1000)
        return Came(self.failure, self.status, milliseconds)

    @property
    def logged(self) -> str:
        """For the log: `http_500`, or the cause; empty if it was accepted."""
        if self.accepted:
            return ""
        return f"http_{self.status}" if self.cause is None else str(self.cause)


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature of `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


async def post(
    http: aiohttp.ClientSession,
    url: str,
    secrets: Sequence[str],
    *,
    message_id: str,
    body: bytes,
    now: int,
    allow_private: bool,
) -> Reaction:
    """
    Sends a message once.

    Args:
        secrets: it is signed with each: while one takes the place of another, a receiver knows either.
        now: Unix seconds, which are signed: a receiver refuses a message that is old.
    """
    headers = {
        "Content-Type": "application/json",
        "User-Agent": _USER_AGENT,
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(sign(each, message_id, now, body) for each in secrets),
    }
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    began = time.monotonic()
    status: int | None = None
    cause: Cause | None = None
    try:
        check_address(url, allow_private=allow_private)
        async with http.post(
            url, data=body, headers=headers, allow_redirects=False, timeout=timeout
        ) as answer:
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, ProvisioningError) as error:
        cause = cause_of(error)
    return Reaction(status, cause, time.monotonic() - began)


def cause_of(error: BaseException) -> Cause:
    """Why there was no answer, as one stable word."""
    chain = list(_chain(error))
    for cause, kinds in _CAUSES:
        if any(isinstance(each, kinds) for each in chain):
            return cause
    return Cause.FAILED


_CAUSES: tuple[tuple[Cause, tuple[type[BaseException], ...]], ...] = (
    (Cause.ADDRESS_NOT_ALLOWED, (PrivateAddressError, ProvisioningError, aiohttp.InvalidURL)),
    (Cause.DNS, (aiohttp.ClientConnectorDNSError, socket.gaierror)),
    (Cause.TLS, (aiohttp.ClientSSLError, ssl.SSLError, aiohttp.ServerFingerprintMismatch)),
    (Cause.TIMEOUT, (TimeoutError,)),
    (Cause.REFUSED, (ConnectionRefusedError,)),
    (Cause.CONNECT, (aiohttp.ClientConnectorError,)),
    (Cause.NOT_HTTP, (aiohttp.ClientResponseError,)),
    (Cause.CLOSED, (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError)),
)
"""The first that fits counts: an error of the library may be of several kinds."""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it was raised from: the library wraps what the system says."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
