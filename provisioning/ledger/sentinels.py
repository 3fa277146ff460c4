"""
Who is the primary now, by the Sentinels of an address: for the ledger and for a broker that is a Redis.

Whoever connects asks anew, as Sentinel's documentation has it for clients: the first that answers is
believed, one that is away is passed over, and whom they name must say that it is a primary. While a failover
goes on nobody is; that is waited out like a Redis that is away.
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

SENTINEL_TIMEOUT = 1.0
"""Seconds that a Sentinel has to let us in, and to answer; it does in 1 ms."""

WHAT_IT_IS = ("INFO", "replication")
"""Asked of whom they name. Not ROLE: the rights that we advise do not hold it."""

_NO_ANSWER = (RedisError, OSError, ValueError, TypeError, LookupError)
"""What asking ends in where nobody answers, or something that is no Sentinel."""


class NoPrimaryError(ConnectionError):
    """No Sentinel names a primary, or whom they name is none."""


class Finder:
    """
    Asks the Sentinels of one address.

    Attributes:
        last: whom they named when they were last asked; a connection to another leads to an old primary.
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
        Where the primary is.

        Raises: NoPrimaryError.
        """
        # All connections of a pool ask at once after a failover, and the silent Sentinels are many seconds.
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
        Where the primary is, for Celery's threads.

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
        """How redis-py connects to a Sentinel."""
        return {"host": place.host, "port": place.port, **own_options(self._address)}

    def _place_of(self, place: Place, answer: tuple[bytes | str, int]) -> Place:
        host = answer[0].decode() if isinstance(answer[0], bytes) else answer[0]
        if not isinstance(host, str) or not 0 < answer[1] < 65536:
            raise ValueError("this is no place")
        # Who has answered is asked first from now on: a silent one costs its timeout once.
        # Not sorted in place: a list is empty for other threads meanwhile.
        self._places = sorted(self._places, key=lambda each: each != place)
        self.last = Place(host, answer[1])
        return self.last

    def _no_primary(self, refusals: list[tuple[Place, Exception | None]]) -> NoPrimaryError:
        reasons = {str(place): self._refusal(error) for place, error in refusals}
        if len(set(reasons.values())) == 1:  # the usual case: of all the same
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
    """How redis-py connects to the Sentinels of an address, whichever it is."""
    options: dict[str, Any] = {
        "socket_connect_timeout": SENTINEL_TIMEOUT,
        "socket_timeout": SENTINEL_TIMEOUT,
        "protocol": 2,  # one question needs no HELLO
    }
    if address.sentinel_password:
        # Not as text: options of transports are shown, in Flower for one.
        options["credential_provider"] = UsernamePasswordCredentialProvider(
            address.sentinel_user or None, address.sentinel_password
        )
    return options if address.tls is None else {**options, "ssl": True, **address.tls}


def check_role(place: str, answer: Any) -> None:
    """
    Takes what a server says of `WHAT_IT_IS`.

    Raises: NoPrimaryError if it is a replica: the Sentinels have not heard of it yet.
    """
    text = answer.decode() if isinstance(answer, bytes) else str(answer)
    if "role:slave" in text:
        raise NoPrimaryError(f"{place}, whom they name, is a replica")


def _look(asking: asyncio.Task[Place]) -> None:
    """Takes note of the error of a question whose askers have all been cancelled."""
    if not asking.cancelled():
        asking.exception()
