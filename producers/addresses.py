"""
Addresses that we may call on somebody's word: public ones, unless private ones are allowed.

A name is resolved once, what it means is judged, and the connection goes to exactly what was judged: a name
server that answers differently a moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

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
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidInputError("this is no address", hint="such as https://crm.example/tenants") from None
    schemes = ("https", "http") if allow_private else ("https",)
    if parts.scheme not in schemes or not host:
        raise InvalidInputError(
            "the address must begin with https://", hint="PROVISION_ALLOW_PRIVATE allows http"
        )
    if parts.username or parts.password:
        raise InvalidInputError("the address must hold no password", hint="PROVISION_PULL_TOKEN is for that")
    if not allow_private and _number(host) and not is_public(host):
        raise InvalidInputError(
            f"{host} is a private address", hint="PROVISION_ALLOW_PRIVATE=true lets it be called"
        )


def _number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class PublicResolver(AbstractResolver):
    """Resolves names, and refuses one of whose addresses any is private."""

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
    judged: Any = None
    if not allow_private:
        judged = PublicResolver(resolver)
    elif resolver is not None:
        judged = resolver
    timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT, sock_read=READ_TIMEOUT)
    connector = aiohttp.TCPConnector(resolver=judged, limit=20)
    # The environment's proxy would resolve for us, unjudged.
    return aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False)


LOST = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, asyncio.TimeoutError)
"""Errors after which trying again may help."""
