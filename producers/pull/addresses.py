"""
Addresses that we may call on somebody's word: public ones, unless private ones are allowed.

What is judged is what is called. An address is read as the HTTP library reads it: it takes `①②⑦.0.0.1` for
127.0.0.1. A name is resolved once and its meaning judged: a name server that answers differently a moment
later (DNS rebinding) gains nothing. The last check is made where a socket is opened, on the very address that
it will connect to.
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

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0


class PrivateAddressError(OSError):
    """The name leads to an address that may not be called."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet: no own network, no loopback, no multicast."""
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
    Judges what can be judged of an address without resolving it.

    Raises: InvalidInputError if it is no https address (http goes where private ones are allowed), holds a
        password, or is the number of a private one.
    """
    try:
        called = URL(url)
        host, _ = called.host or "", called.port
        (called.raw_host or "").encode("idna")  # as the look-up of the name will do
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
            raise InvalidInputError(f"{host} is no address", hint="write four numbers, such as 192.0.2.1")
    elif not allow_private and not is_public(host):
        raise InvalidInputError(
            f"{host} is a private address", hint="PROVISION_ALLOW_PRIVATE=true lets it be called"
        )


_DIGITS_AND_DOTS = frozenset("0123456789.")


def origin_of(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of a checked address, as it is called: a token is for one origin."""
    called = URL(url)
    return called.scheme, called.raw_host, called.port


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class PublicResolver(AbstractResolver):
    """Resolves names, and refuses one of which any address is private."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises: PrivateAddressError."""
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public(each["host"]) for each in found):
            raise PrivateAddressError(f"{host} leads to a private address")
        return found

    async def close(self) -> None:
        await self._resolver.close()


def session(*, allow_private: bool, resolver: AbstractResolver | None = None) -> aiohttp.ClientSession:
    """An HTTP client that calls nothing it should not; have it follow no redirects, which are not judged."""
    judged: Any = resolver
    if not allow_private:
        judged = PublicResolver(resolver)
    timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT, sock_read=READ_TIMEOUT)
    connector = aiohttp.TCPConnector(
        resolver=judged, limit=20, socket_factory=None if allow_private else _public_socket
    )
    # The environment's proxy would resolve for us, unjudged.
    return aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False)


def _public_socket(peer: AddrInfoType) -> socket.socket:
    """A socket to connect to this peer. Raises: PrivateAddressError."""
    family, kind, protocol, _, where = peer
    if not is_public(str(where[0])):
        raise PrivateAddressError(f"{where[0]} is a private address")
    return socket.socket(family, kind, protocol)


LOST = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, asyncio.TimeoutError)
"""Errors after which trying again may help."""
