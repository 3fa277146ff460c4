"""The ledger's client of Redis: redis-py's, over connections of ours, and its errors are ours."""

from __future__ import annotations

import contextlib
import os
import socket
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
)

from provisioning.errors import LedgerUnavailableError, LedgerUnfitError
from provisioning.ledger.connections import packed
from provisioning.ledger.refusals import in_words

HEALTH_CHECK = 15
"""Seconds without an answer after which a connection is asked for a sign of life before it is used."""

LOST = (ConnectionError, TimeoutError, BusyLoadingError, OSError)
"""The client's errors after which waiting helps: Redis is away, starting, or the connection broke."""


class Client(Redis):
    """
    A client whose commands raise LedgerUnavailableError.

    A NoScriptError passes: whoever gives a script tells it to a Redis that has forgotten it.
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
    # A pool that waits for a connection, where redis-py's own default raises when all are out.
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=30,
        socket_connect_timeout=5,
        socket_timeout=8,  # well below a lease; the longest stretch of a script takes some ms
        health_check_interval=HEALTH_CHECK,
        redis_connect_func=prepare,
        **({} if url.startswith("unix:") else {"socket_keepalive": True}),
    )
    return Client.from_pool(packed(pool))


@contextlib.contextmanager
def in_our_words(redis: Redis) -> Iterator[None]:
    """Raises: LedgerUnavailableError for any error of the client's but NoScriptError."""
    try:
        yield
    except NoScriptError:
        raise
    except (*LOST, RedisError) as error:
        raise unavailable(redis, error) from error


def address(redis: Redis) -> str:
    """Where a Redis is, fit to be shown: without its password."""
    options = redis.connection_pool.connection_kwargs
    if "path" in options:
        return str(options["path"])
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"


def unavailable(redis: Redis, error: BaseException) -> LedgerUnavailableError:
    """Our error for one of the client's: what it means, where the Redis is, and the way out."""
    if isinstance(error, AuthenticationError):
        return LedgerUnavailableError(
            f"Redis at {address(redis)} does not accept the password",
            hint="PROVISION_REDIS_URL is redis://:PASSWORD@HOST:PORT/0",
        )
    if isinstance(error, RedisError) and not isinstance(error, LOST):
        return refused(error, redis)
    if "max number of clients" in str(error):
        return LedgerUnavailableError(
            f"Redis at {address(redis)} takes no further connections (maxclients)",
            hint="CONFIG SET maxclients 10000, or end what holds them: CLIENT LIST shows it",
        )
    if isinstance(cause := error.__cause__ or error.__context__, ssl.SSLError):
        # A certificate that has run out is renewed one day; an authority that is not known stays so.
        passes = not isinstance(cause, ssl.SSLCertVerificationError) or cause.verify_code in _TIMES
        kind = LedgerUnavailableError if passes else LedgerUnfitError
        return kind(
            f"there is no trusted TLS with Redis at {address(redis)} ({_tls_reason(cause)})",
            hint="rediss://HOST:PORT/0?ssl_ca_certs=FILE names an authority; redis:// goes without TLS",
        )
    return LedgerUnavailableError(
        f"Redis at {address(redis)} cannot be reached ({_reason(error)})",
        hint="start it, or correct PROVISION_REDIS_URL; without that setting an embedded Valkey is used",
    )


def _reason(error: BaseException) -> str:
    """What the system said, without the client's wrapping; that in full where the system said nothing."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, socket.gaierror):
        return str(cause.strerror)
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno)
    return str(error)


_TIMES = (9, 10)
"""OpenSSL's codes of a certificate that is not yet, or no longer, valid."""


def _tls_reason(error: ssl.SSLError) -> str:
    """What OpenSSL found wrong: its errors have numbers that mean something else to the system."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return (error.reason or str(error)).replace("_", " ").lower()


def refused(error: RedisError, redis: Redis | None = None) -> LedgerUnavailableError:
    """Our error for a Redis that is there and says no."""
    name = f"Redis at {address(redis)}" if redis is not None else "Redis"
    if "DB index is out of range" in str(error):
        return LedgerUnfitError(
            f"{name} has no database of that number",
            hint="end PROVISION_REDIS_URL with /0, or raise `databases` in its configuration",
        )
    said, hint = in_words(error, name) or (
        f"{name} refused a command: {error}",
        "see the log of the Redis server",
    )
    return LedgerUnavailableError(said, hint=hint)
