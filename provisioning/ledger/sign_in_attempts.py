"""
Counts of wrong passwords, kept in Redis for all servers.

At most so many in `WINDOW` by one address, and by all addresses for one name. An address from which the user
has signed in has a count of its own for this name, so that nobody elsewhere can lock the user out there. What
is refused to an address does not count for the name, so that one address cannot use up the count of a name.
"""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis

from provisioning.ledger import keys

WINDOW: Final = 15 * 60
"""Seconds from the first wrong password until it counts no more, nor those after it."""

OF_ADDRESS: Final = 10
"""Wrong passwords of one address in this time: 960 a day."""

OF_NAME: Final = 30
"""Those for one name by addresses from which the user has not signed in: two addresses cannot use it up."""

OF_KNOWN: Final = 10
"""Those for one name by one address from which the user has."""

KNOWN_FOR: Final = 30 * 86400
"""Seconds for which an address is known after a right password."""


class Attempt(NamedTuple):
    """
    An attempt to sign in that has been counted.

    Attributes:
        wait: seconds until it may be made; 0 if now.
        counts: the keys of Redis where it was counted.
    """

    wait: float
    counts: tuple[str, ...]


class SignInAttempts:
    """The attempts to sign in with a password to one ledger."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    async def begin(self, name: str, address: str) -> Attempt:
        """Counts an attempt before the password is checked, so that many at once are no way around."""
        network = network_of(address)
        if await self._redis.exists(_known(name, network)):
            limits = {_counter("pair", f"{name} {network}"): OF_KNOWN}
        else:
            limits = {_counter("address", network): OF_ADDRESS, _counter("name", name): OF_NAME}
        counted: list[str] = []
        for key, most in limits.items():
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.set(key, 0, ex=WINDOW, nx=True)
            pipeline.incr(key)
            pipeline.pttl(key)
            _, count, left = await pipeline.execute()
            counted.append(key)
            if count > most:
                return Attempt(max(left, 1) / 1000, tuple(counted))
        return Attempt(0.0, tuple(counted))

    async def take_back(self, attempt: Attempt) -> None:
        """Does not count an attempt: the password was right, or was not checked."""
        pipeline = self._redis.pipeline(transaction=True)
        for key in attempt.counts:
            # A count that has just expired becomes -1 for the next window: one more attempt.
            pipeline.set(key, 0, ex=WINDOW, nx=True)
            pipeline.decr(key)
        await pipeline.execute()

    async def succeeded(self, attempt: Attempt, name: str, address: str) -> None:
        """Does not count the attempt, and knows the address from now on."""
        await self.take_back(attempt)
        await self._redis.set(_known(name, network_of(address)), 1, ex=KNOWN_FOR)


def network_of(address: str) -> str:
    """
    What counts as one address: a household or a server has a whole /64 of IPv6.

    >>> network_of("2001:db8::1"), network_of("::ffff:192.0.2.7"), network_of("192.0.2.7")
    ('2001:db8::/64', '192.0.2.7', '192.0.2.7')
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found), 64), strict=False))
    return str(found)


def _counter(kind: str, what: str) -> str:
    # A person may type the password where the name belongs: so few digits of the hash do not give it away.
    return keys.sign_in_attempts(f"{kind}:{_digest(what)[:6]}")


def _known(name: str, network: str) -> str:
    return keys.known_address(_digest(f"{name} {network}"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
