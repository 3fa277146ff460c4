"""
The Idempotency-Key: a repeated request is executed once (IETF draft, and like Stripe).

A key belongs to one caller and one request. The server that works on it holds a lock that expires if the
server dies; the request's fingerprint is stored, so that only the same request can continue with the key.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from redis.asyncio import Redis

from provisioning.ledger import keys

KEPT = 48 * 3600
"""Seconds for which an answer is stored: one day is promised, the second is for clients that retry daily."""

LEASE = 10.0
"""Seconds after which a key whose server has died can be used again; renewed three times as often."""


class Answer(msgspec.Struct, frozen=True):
    """An answer as it was given."""

    status: int
    media_type: str
    headers: dict[str, str]
    body: bytes


class Kept(msgspec.Struct, frozen=True):
    """The stored part of a request: its fingerprint, and the answer once there is one."""

    fingerprint: str
    answer: Answer | None = None


class InUseError(Exception):
    """The same request is in progress."""


class OtherRequestError(Exception):
    """The key belongs to a request with another body."""


_decode = msgspec.json.Decoder(Kept).decode


class Turn:
    """The right to answer a request for the first time."""

    def __init__(self, redis: Redis, name: str, fingerprint: str, owner: str, *, first: bool) -> None:
        self._redis: Any = redis
        self._name = name
        self._fingerprint = fingerprint
        self._owner = owner
        self._first = first

    async def keep(self, answer: Answer) -> None:
        """Stores the answer for repetitions of the request."""
        kept = msgspec.json.encode(Kept(self._fingerprint, answer))
        await self._redis.set(keys.idempotency(self._name), kept, ex=KEPT)

    async def forget(self) -> None:
        """
        Frees the key for another request: of this one nothing was done.

        Unless it was tried before: a server that died may have done some of it. Nor if the lock was lost:
        another server may have answered it.
        """
        if self._first and await self._is_ours():
            await self._redis.delete(keys.idempotency(self._name))

    async def renew_for_ever(self) -> None:
        """Renews the lock until cancelled; if it expires in an outage of Redis, a repetition is harmless."""
        while True:
            await asyncio.sleep(LEASE / 3)
            with contextlib.suppress(Exception):
                await self._redis.set(
                    keys.idempotency_lock(self._name), self._owner, px=int(LEASE * 1000), xx=True
                )

    async def let_go(self) -> None:
        """Releases the lock, if it is still ours."""
        if await self._is_ours():
            await self._redis.delete(keys.idempotency_lock(self._name))

    async def _is_ours(self) -> bool:
        return bool(await self._redis.get(keys.idempotency_lock(self._name)) == self._owner.encode())


class Idempotency:
    """The Idempotency-Keys of one ledger."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    @contextlib.asynccontextmanager
    async def turn(self, caller: str, key: str, fingerprint: str) -> AsyncIterator[Answer | Turn]:
        """
        The stored answer, or the right to create one.

        Args:
            caller: owner of the key; others may use the same.
            fingerprint: of all parts of the request that must be equal.
        Raises: InUseError, OtherRequestError.
        """
        name = hashlib.sha256(f"{caller}\n{key}".encode()).hexdigest()
        record = keys.idempotency(name)
        first = await self._redis.set(record, msgspec.json.encode(Kept(fingerprint)), ex=KEPT, nx=True)
        if answer := await self._known(record, fingerprint):
            yield answer
            return
        owner = secrets.token_hex(8)
        lock = keys.idempotency_lock(name)
        if not await self._redis.set(lock, owner, px=int(LEASE * 1000), nx=True):
            raise InUseError
        turn = Turn(self._redis, name, fingerprint, owner, first=bool(first))
        heart = asyncio.create_task(turn.renew_for_ever())
        try:
            # The former holder of the lock may have answered meanwhile.
            answer = await self._known(record, fingerprint)
            yield answer or turn
        finally:
            heart.cancel()
            await turn.let_go()

    async def _known(self, record: str, fingerprint: str) -> Answer | None:
        value = await self._redis.get(record)
        if value is None:
            return None  # it has just expired
        kept = _decode(value)
        if kept.fingerprint != fingerprint:
            raise OtherRequestError
        return kept.answer
