"""
Finds the current primary through the Sentinels of an address: for the ledger and for a Redis broker.

Each new connection asks again, as Sentinel's documentation requires of clients: the first answer is used, an
unavailable Sentinel is skipped, and the named server must report the role of a primary. During a failover
there is none; that is handled like an unavailable Redis.
"""

from __future__ import annotations

import asyncio
from typing import Any

from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import UsernamePasswordCredentialProvider
from redis.exceptions import AuthenticationError, ConnectionError, RedisError
from redis.retry import Retry as BlockingRetry

from provisioning.config.sentinel_address import Place, SentinelAddress
from provisioning.ledger.reasons import reason
from provisioning.text import Text

SENTINEL_TIMEOUT = 1.0
"""Seconds for a Sentinel to accept a connection, and to answer; usually it takes 1 ms."""

WHAT_IT_IS = ("INFO", "replication")
"""The command for the named server. Not ROLE: the recommended rights do not include it."""

_NO_ANSWER = (RedisError, OSError, ValueError, TypeError, LookupError)
"""Errors of a request to which no Sentinel answers."""


class NoPrimaryError(ConnectionError):
    """No Sentinel names a primary, or the named server is none."""


class Finder:
    """
    Asks the Sentinels of one address.

    Attributes:
        last: the last answer; a connection to another server leads to an old primary.
    """

    def __init__(self, address: SentinelAddress) -> None:
        self._address = address
        self._places = list(address.places)
        self._asking: asyncio.Task[Place] | None = None
        self.last: Place | None = None

    def __str__(self) -> str:
        return str(self._address)

    async def primary(self) -> Place:
        """
        The place of the primary.

        Raises: NoPrimaryError.
        """
        # After a failover all connections of a pool ask at once; each unavailable Sentinel costs seconds.
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._ask())
            self._asking.add_done_callback(_look)
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Place:
        refusals: list[tuple[Place, Exception | None]] = []
        for place in tuple(self._places):
            sentinel: Any = Redis(**self.options_of(place), retry=Retry(NoBackoff(), 0))
            try:
                async with sentinel:
                    answer = await sentinel.sentinel_get_master_addr_by_name(self._address.name)
                if answer:
                    return self._place_of(place, answer)
                refusals.append((place, None))
            except _NO_ANSWER as error:
                refusals.append((place, error))
        raise self._no_primary(refusals)

    def primary_by_blocking(self) -> Place:
        """
        The place of the primary, for Celery's threads.

        Raises: NoPrimaryError.
        """
        refusals: list[tuple[Place, Exception | None]] = []
        for place in tuple(self._places):
            sentinel: Any = BlockingRedis(**self.options_of(place), retry=BlockingRetry(NoBackoff(), 0))
            try:
                with sentinel:
                    answer = sentinel.sentinel_get_master_addr_by_name(self._address.name)
                if answer:
                    return self._place_of(place, answer)
                refusals.append((place, None))
            except _NO_ANSWER as error:
                refusals.append((place, error))
        raise self._no_primary(refusals)

    def options_of(self, place: Place) -> dict[str, Any]:
        """A redis-py client for one Sentinel."""
        return {"host": place.host, "port": place.port, **own_options(self._address)}

    def _place_of(self, place: Place, answer: tuple[bytes | str, int]) -> Place:
        host = answer[0].decode() if isinstance(answer[0], bytes) else answer[0]
        if not isinstance(host, str) or not 0 < answer[1] < 65536:
            raise ValueError("this is no place")
        # The one that answered is asked first from now on: another costs its timeout only once.
        # Not sorted in place: the list would be empty for other threads meanwhile.
        self._places = sorted(self._places, key=lambda each: each != place)
        self.last = Place(host, answer[1])
        return self.last

    def _no_primary(self, refusals: list[tuple[Place, Exception | None]]) -> NoPrimaryError:
        reasons = {str(place): self._refusal(error) for place, error in refusals}
        if len(set(reasons.values())) == 1:  # the usual case: all are equal
            error_to_raise = NoPrimaryError(reasons.popitem()[1])
        else:
            error_to_raise = NoPrimaryError("; ".join(f"{place}: {why}" for place, why in reasons.items()))
        error_to_raise.__cause__ = next((error for _, error in reversed(refusals) if error), None)
        return error_to_raise

    def _refusal(self, error: Exception | None) -> str:
        if error is None:
            return f"no primary is called {self._address.name}"
        if isinstance(error, AuthenticationError):
            return "the Sentinels have another password"
        if not isinstance(error, RedisError | OSError):
            return "what answers there is no Sentinel"
        return reason(error)


def own_options(address: SentinelAddress) -> dict[str, Any]:
    """redis-py's options for connections to the Sentinels of an address."""
    options: dict[str, Any] = {
        "socket_connect_timeout": SENTINEL_TIMEOUT,
        "socket_timeout": SENTINEL_TIMEOUT,
        "protocol": 2,  # one command needs no HELLO
    }
    if address.sentinel_password:
        # Not as text: transport options are shown, for example in Flower.
        options["credential_provider"] = UsernamePasswordCredentialProvider(
            address.sentinel_user or None, address.sentinel_password
        )
    return options if address.tls is None else {**options, "ssl": True, **address.tls}


def check_role(place: str, answer: Any) -> None:
    """
    Checks a server's reply to `WHAT_IT_IS`.

    Raises: NoPrimaryError if it is a replica: the Sentinels have not noticed it yet.
    """
    text = answer.decode() if isinstance(answer, bytes) else str(answer)
    if "role:slave" in text:
        raise NoPrimaryError(Text("{place}, whom they name, is a replica", place=place))


def _look(asking: asyncio.Task[Place]) -> None:
    """Retrieves the error of a request whose callers have all been cancelled."""
    if not asking.cancelled():
        asking.exception()
