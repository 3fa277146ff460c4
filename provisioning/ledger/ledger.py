"""
The ledger: one Redis, spoken to in transitions (to change it) and views (to look).

It translates the client's errors once, here, and knows how to tell a fit Redis from an unfit one.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Sequence
from typing import Any, Self, TypeVar, cast

import msgspec
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from provisioning import keys
from provisioning.checks.finding import Level
from provisioning.checks.redis_server import judge_eviction, judge_version
from provisioning.errors import ContractError, LedgerUnavailableError, LedgerUnfitError
from provisioning.ledger.connections import packed
from provisioning.ledger.hand import Hand
from provisioning.ledger.idempotency import Idempotency
from provisioning.ledger.in_turn import InTurn
from provisioning.ledger.records import Claims
from provisioning.ledger.refusals import in_words
from provisioning.ledger.schema import FORMAT, Elsewhere
from provisioning.ledger.scripts import Call, Clock, Scripts
from provisioning.ledger.sealing import KeylessError, SealedError, Sealer, load_masters
from provisioning.ledger.tokens import AccessTokens
from provisioning.ledger.view import View
from provisioning.log_events import BODY_UNOPENED
from provisioning.logs import say

T = TypeVar("T")

HEALTH_CHECK = 15
"""Seconds without an answer after which a connection is asked for a sign of life before it is used."""

LOST = (ConnectionError, TimeoutError, BusyLoadingError, OSError)
"""Errors after which waiting helps: Redis is away, starting, or the connection broke."""


class Ledger:
    """
    The record of every job, kept in Redis.

    Attributes:
        view: looking at batches and jobs.
        hand: what a person does: pause, resume, cancel, redrive, resolve.
        idempotency: requests that were answered under a key.
        tokens: who may come through the HTTP door.
    """

    def __init__(self, redis: Redis, clock: Clock | None = None, *, masters: str = "") -> None:
        self.redis = redis
        self.sealer = Sealer(redis, load_masters(masters))
        self._scripts = Scripts(redis, clock)
        self.view = View(redis, self.do, self.sealer)
        self.hand = Hand(redis, self.do, self.sealer)
        self.idempotency = Idempotency(redis)
        self.tokens = AccessTokens(redis, self.do)

    @classmethod
    def at(cls, url: str, *, connections: int = 16, masters: str = "") -> Self:
        """
        A ledger in the Redis at `url`; nothing is connected until it is used.

        Args:
            masters: `Settings.masters`; empty for a ledger that is not encrypted.
        Raises: ConfigurationError if these are no keys.
        """
        # A pool that waits for a connection, where redis-py's own default raises when all are out.
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=30,
            socket_connect_timeout=5,
            socket_timeout=8,  # well below a lease; the longest stretch of a script takes some ms
            health_check_interval=HEALTH_CHECK,
            **({} if url.startswith("unix:") else {"socket_keepalive": True}),
        )
        return cls(Redis.from_pool(packed(pool)), masters=masters)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        await self.close()
        # The client wraps what the system tells of its sockets: any other OSError is of a file.
        if isinstance(error, RedisError):
            raise self._ours(error) from error

    async def close(self) -> None:
        """Closes the connections."""
        await self.redis.aclose()

    async def do(self, call: Call[T]) -> T:
        """Carries out one transition. Raises: LedgerUnavailableError."""
        [reply] = await self.do_all([call])
        return cast(T, reply)

    async def do_all(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """
        Carries out transitions in one pipeline, each atomic for itself; replies in order.

        Raises: LedgerUnavailableError; it is then unknown which were carried out, and each may be said again.
        """
        return await self._in_our_words(self._do_all(calls))

    async def _do_all(self, calls: Sequence[Call[Any]]) -> list[Any]:
        replies = await self._scripts.run(await self.sealer.outgoing(calls))
        return [await self._completed(call, reply) for call, reply in zip(calls, replies, strict=True)]

    async def do_in_turn(self, calls: AsyncIterable[Call[T]]) -> AsyncGenerator[T, None]:
        """
        Carries out one transition after the other, Redis waiting for none of them; replies in order.

        Raises: as `do_all`.
        """
        async with InTurn(self.redis, self._scripts) as turns:
            said: deque[Call[T]] = deque()
            async for call in calls:
                [outgoing] = await self._in_our_words(self.sealer.outgoing([call]))
                said.append(call)
                for reply in await self._in_our_words(turns.say(outgoing)):
                    yield await self._in_our_words(self._completed(said.popleft(), reply))
            for reply in await self._in_our_words(turns.rest()):
                yield await self._in_our_words(self._completed(said.popleft(), reply))

    async def _completed(self, call: Call[T], reply: Any) -> T:
        """A reply with all that takes keys: bodies of claims opened, jobs handed over to their batches."""
        if isinstance(reply, Claims):
            return cast(T, await self._opened(reply))
        if call.again:
            for which in range(len(reply)):
                while isinstance(word := reply[which], Elsewhere):
                    [[reply[which]]] = await self._scripts.run(
                        await self.sealer.outgoing([call.again(which, word.batch)])
                    )
        return cast(T, reply)

    async def _in_our_words(self, said: Awaitable[T]) -> T:
        """What comes of it. Raises: our errors for those of the client."""
        try:
            return await said
        except (*LOST, RedisError) as error:
            raise self._ours(error) from error

    def _ours(self, error: Exception) -> LedgerUnavailableError:
        """Our error for one of the client's."""
        if isinstance(error, RedisError) and not isinstance(error, LOST):
            return refused(error, self.redis)
        return unavailable(self.redis, error)

    async def _opened(self, claims: Claims) -> Claims:
        """
        The claims, their bodies opened, apart from those that other keys would open. A body that is gone or
        damaged is neither: its job stays under its lease, and is queued again when that lapses. It must not
        keep those that were claimed with it.
        """
        jobs, sealed = [], []
        for job in claims.jobs:
            try:
                body = await self.sealer.open(job.body)
            except KeylessError:
                sealed.append(job)
                continue
            except SealedError as error:
                say(BODY_UNOPENED, job_id=job.job_id, batch_id=job.batch, error=error)
                continue
            if not body:
                say(BODY_UNOPENED, job_id=job.job_id, batch_id=job.batch)
                continue
            jobs.append(job if body is job.body else msgspec.structs.replace(job, body=body))
        return msgspec.structs.replace(claims, jobs=jobs, sealed=sealed)

    async def check(self) -> None:
        """
        Makes sure that this Redis answers and keeps what it is given.

        Raises: LedgerUnavailableError if it is away; LedgerUnfitError if it is too old, or evicts keys when
            memory runs short; ContractError if another version of this program keeps its jobs there.
        """
        try:
            server = await self.redis.info("server")
            memory = await self.redis.info("memory")
            client: Any = self.redis
            kept = await client.get(keys.FORMAT)
            used = kept is not None or await client.exists(keys.BATCHES)
        except (*LOST, RedisError) as error:
            raise unavailable(self.redis, error) from error
        if used and kept != FORMAT:
            raise ContractError(
                f"the jobs in this Redis are kept in format {(kept or b'1').decode()}, and this program"
                f" knows {FORMAT.decode()}",
                hint="use the version of the program that wrote them, or another Redis",
            )
        policy = memory.get("maxmemory_policy", "noeviction")
        for finding in (judge_version(str(server["redis_version"])), judge_eviction(policy)):
            if finding.level is Level.FATAL:
                raise LedgerUnfitError(finding.said, hint=finding.advice)


def address(redis: Redis) -> str:
    """Where a Redis is, fit to be shown: without its password."""
    options = redis.connection_pool.connection_kwargs
    if "path" in options:
        return str(options["path"])
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"


def unavailable(redis: Redis, error: BaseException) -> LedgerUnavailableError:
    """Our error for a Redis that cannot be reached or does not let us in."""
    if isinstance(error, AuthenticationError):
        return LedgerUnavailableError(
            f"Redis at {address(redis)} does not accept the password",
            hint="PROVISION_REDIS_URL is redis://:PASSWORD@HOST:PORT/0",
        )
    if isinstance(error, ResponseError):
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
