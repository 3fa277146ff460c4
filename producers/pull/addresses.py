"""
Protection against server-side request forgery: a URL from a user may lead only to a public address, unless
private ones are allowed.

The checked address is the one that is connected to. A URL is parsed by the parser of the HTTP library, which
reads `①②⑦.0.0.1` as 127.0.0.1. A host name is resolved once, and the result is checked and used, so that DNS
rebinding has no effect. The last check is made when a socket is opened, on the address that it connects to.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any

import aiohttp
from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from provisioning.errors import InvalidInputError
from provisioning.text import Text

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0


class PrivateAddressError(OSError):
    """The host has a private address, which is not allowed."""


def is_public(address: str) -> bool:
    """Whether an IP address is public: not private, loopback, multicast or reserved."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast and not found.is_reserved


def check_address(url: str, *, allow_private: bool) -> None:
    """
    Checks a URL without resolving its host.

    Raises: InvalidInputError if it does not begin with https (http only if private addresses are allowed),
        contains a password, or has a private IP address as its host.
    """
    try:
        called = URL(url)
        host, _ = called.host or "", called.port
        (called.raw_host or "").encode("idna")  # as the resolver will do
    except ValueError:
        raise InvalidInputError("this is no address", hint="such as https://crm.example/tenants") from None
    schemes = ("https", "http") if allow_private else ("https",)
    if called.scheme not in schemes or not host:
        raise InvalidInputError(
            "the address must begin with https://", hint="PROVISION_ALLOW_PRIVATE allows http"
        )
    if called.user is not None or called.password is not None:
        raise InvalidInputError("the address must hold no password", hint="PROVISION_PULL_TOKEN is for that")
    if not _is_number(host):
        if _DIGITS_AND_DOTS.issuperset(host):
            raise InvalidInputError(
                Text("{host} is no address", host=host), hint="write four numbers, such as 192.0.2.1"
            )
    elif not allow_private and not is_public(host):
        raise InvalidInputError(
            Text("{host} is a private address", host=host),
            hint="PROVISION_ALLOW_PRIVATE=true lets it be called",
        )


_DIGITS_AND_DOTS = frozenset("0123456789.")


def origin_of(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of a checked URL. A token is sent to one origin only."""
    called = URL(url)
    return called.scheme, called.raw_host, called.port


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class PublicResolver(AbstractResolver):
    """Resolves host names; refuses a name if any of its addresses is private."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a host name. Raises: PrivateAddressError."""
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public(each["host"]) for each in found):
            raise PrivateAddressError(Text("{host} leads to a private address", host=host))
        return found

    async def close(self) -> None:
        await self._resolver.close()


def session(*, allow_private: bool, resolver: AbstractResolver | None = None) -> aiohttp.ClientSession:
    """An HTTP client that connects to allowed addresses only. Disable redirects: they are not checked."""
    checked: Any = resolver
    if not allow_private:
        checked = PublicResolver(resolver)
    timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT, sock_read=READ_TIMEOUT)
    connector = aiohttp.TCPConnector(
        resolver=checked, limit=20, socket_factory=None if allow_private else _public_socket
    )
    # No proxy from the environment: it would resolve the name itself, without this check.
    return aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False)


def _public_socket(peer: AddrInfoType) -> socket.socket:
    """Creates a socket to connect to this peer. Raises: PrivateAddressError."""
    family, kind, protocol, _, where = peer
    if not is_public(str(where[0])):
        raise PrivateAddressError(Text("{where} is a private address", where=where[0]))
    return socket.socket(family, kind, protocol)


CONNECTION_ERRORS = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, asyncio.TimeoutError)
"""Errors of the connection, after which a request may be retried."""
