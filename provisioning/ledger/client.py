"""The ledger's client of Redis: redis-py's, over connections of ours, and its errors are ours."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    NoScriptError,
    RedisError,
    TimeoutError,
    WatchError,
)

from provisioning.config.addresses import is_of_sentinels
from provisioning.config.sentinel_address import SentinelAddress
from provisioning.errors import LedgerUnavailableError, LedgerUnfitError
from provisioning.ledger.connections import found_by_sentinels, packed
from provisioning.ledger.reasons import reason, tls_reason, tls_trouble
from provisioning.ledger.refusals import in_words
from provisioning.ledger.sentinels import NoPrimaryError
from provisioning.text import Text

HEALTH_CHECK = 15
"""Seconds without an answer after which a connection is asked for a sign of life before it is used."""

LOST = (ConnectionError, TimeoutError, BusyLoadingError, OSError)
"""The client's errors after which waiting helps: Redis is away, starting, or the connection broke."""


class Client(Redis):
    """
    A client whose commands raise LedgerUnavailableError.

    A NoScriptError passes: `Scripts` then sends the script itself. So does a WatchError: `transaction` begins
    again.
    """

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """As redis-py has it."""
        with in_our_words(self):
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """As redis-py has it."""
        return _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class _Pipeline(Pipeline):
    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        with in_our_words(self):
            return await super().execute(raise_on_error)


Prepare = Callable[[Any], Awaitable[None]]
"""Makes a connection ready that has just been made; it calls the connection's own `on_connect`."""


def connect(url: str, connections: int = 16, *, prepare: Prepare | None = None) -> Redis:
    """A client of the Redis at `url`; nothing is connected until it is used."""
    options: dict[str, Any] = {
        "max_connections": connections,
        "timeout": 30,
        "socket_connect_timeout": 5,
        "socket_timeout": 8,  # well below a lease; the longest stretch of a script takes some ms
        "health_check_interval": HEALTH_CHECK,
        "redis_connect_func": prepare,
    }
    if not url.startswith("unix:"):
        options["socket_keepalive"] = True
    if is_of_sentinels(url):
        return Client.from_pool(found_by_sentinels(SentinelAddress.parse(url), **options))
    # A pool that waits for a connection, where redis-py's own default raises when all are out.
    return Client.from_pool(packed(BlockingConnectionPool.from_url(url, **options)))


@contextlib.contextmanager
def in_our_words(redis: Redis) -> Iterator[None]:
    """Raises: LedgerUnavailableError for any error of the client's but NoScriptError and WatchError."""
    try:
        yield
    except (NoScriptError, WatchError):
        raise
    except (*LOST, RedisError) as error:
        raise unavailable(redis, error) from error


def address(redis: Redis) -> str:
    """Where a Redis is, fit to be shown: without its password."""
    options = redis.connection_pool.connection_kwargs
    if "finder" in options:
        return str(options["finder"])
    if "path" in options:
        return str(options["path"])
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"


def unavailable(redis: Redis, error: BaseException) -> LedgerUnavailableError:
    """Our error for one of the client's: what it means, where the Redis is, and the way out."""
    if isinstance(error, AuthenticationError):
        return LedgerUnavailableError(
            Text("Redis at {address} does not accept the password", address=address(redis)),
            hint="set PROVISION_REDIS_PASSWORD, or PROVISION_REDIS_URL to redis://:PASSWORD@HOST:PORT/0",
        )
    if isinstance(error, RedisError) and not isinstance(error, LOST):
        return refused(error, redis)
    if "max number of clients" in str(error):
        return LedgerUnavailableError(
            Text("Redis at {address} takes no further connections (maxclients)", address=address(redis)),
            hint="CONFIG SET maxclients 10000, or end what holds them: CLIENT LIST shows it",
        )
    if cause := tls_trouble(error):
        # A certificate that has run out is renewed one day; an authority that is not known stays so.
        passes = not isinstance(cause, ssl.SSLCertVerificationError) or cause.verify_code in _TIMES
        kind = LedgerUnavailableError if passes else LedgerUnfitError
        return kind(
            Text(
                "there is no trusted TLS with Redis at {address} ({reason})",
                address=address(redis),
                reason=tls_reason(cause),
            ),
            hint="rediss://HOST:PORT/0?ssl_ca_certs=FILE names an authority; redis:// goes without TLS",
        )
    if isinstance(error, NoPrimaryError):
        return LedgerUnavailableError(
            Text("Redis at {address} cannot be found ({error})", address=address(redis), error=error),
            hint="start the Sentinels, or correct PROVISION_REDIS_URL: sentinel://HOST:26379,HOST:26379/NAME/0;"
            " their own password is PROVISION_SENTINEL_PASSWORD",
        )
    return LedgerUnavailableError(
        Text("Redis at {address} cannot be reached ({reason})", address=address(redis), reason=reason(error)),
        hint=Text("the Sentinels name another in some seconds; it is tried again")
        if "finder" in redis.connection_pool.connection_kwargs
        else Text(
            "start it, or correct PROVISION_REDIS_URL; without that setting an embedded Valkey is used"
        ),
    )


_TIMES = (9, 10)
"""OpenSSL's codes of a certificate that is not yet, or no longer, valid."""


def refused(error: RedisError, redis: Redis | None = None) -> LedgerUnavailableError:
    """Our error for a Redis that is there and says no."""
    name = Text("Redis at {address}", address=address(redis)) if redis is not None else Text("Redis")
    if "DB index is out of range" in str(error):
        return LedgerUnfitError(
            Text("{name} has no database of that number", name=name),
            hint="end PROVISION_REDIS_URL with /0, or raise `databases` in its configuration",
        )
    message, hint = in_words(error, name) or (
        Text("{name} refused a command: {error}", name=name, error=error),
        Text("see the log of the Redis server"),
    )
    return LedgerUnavailableError(message, hint=hint)
