"""
The Idempotency-Key: the same request twice is one request (IETF draft, and as Stripe does it).

A key belongs to one caller and one request. Who works on it holds a lock that lapses when its server dies;
what was asked is kept, so that only the same request can take the key up again and finish.
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
"""Seconds that an answer is kept: a day is promised, the other is for whoever repeats once a day."""

LEASE = 10.0
"""Seconds after which a key whose server has died can be used again; renewed three times as often."""


class Answer(msgspec.Struct, frozen=True):
    """An answer as it was given."""

    status: int
    media_type: str
    headers: dict[str, str]
    body: bytes


class Kept(msgspec.Struct, frozen=True):
    """What is kept of a request: its fingerprint, and the answer when there is one."""

    fingerprint: str
    answer: Answer | None = None


class InUseError(Exception):
    """The same request is being worked on."""


class OtherRequestError(Exception):
    """The key belongs to a request with another body."""


_decode = msgspec.json.Decoder(Kept).decode


class Turn:
    """The right to answer a request for the first time."""

    def __init__(self, redis: Redis, name: str, fingerprint: str, owner: str) -> None:
        self._redis: Any = redis
        self._name = name
        self._fingerprint = fingerprint
        self._owner = owner

    async def keep(self, answer: Answer) -> None:
        """Keeps the answer for whoever repeats the request."""
        kept = msgspec.json.encode(Kept(self._fingerprint, answer))
        await self._redis.set(keys.idempotency(self._name), kept, ex=KEPT)

    async def renew_for_ever(self) -> None:
        """Renews the lock until cancelled; should Redis be away for long, the ledger bears a second go."""
        while True:
            await asyncio.sleep(LEASE / 3)
            with contextlib.suppress(Exception):
                await self._redis.set(
                    keys.idempotency_lock(self._name), self._owner, px=int(LEASE * 1000), xx=True
                )

    async def let_go(self) -> None:
        """Gives the lock back, if it is ours still."""
        lock = keys.idempotency_lock(self._name)
        if await self._redis.get(lock) == self._owner.encode():
            await self._redis.delete(lock)


class Idempotency:
    """The Idempotency-Keys of one ledger."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    @contextlib.asynccontextmanager
    async def turn(self, caller: str, key: str, fingerprint: str) -> AsyncIterator[Answer | Turn]:
        """
        The answer that was given already, or the turn to make one.

        Args:
            caller: whose key it is; others may use the same.
            fingerprint: of all that makes the request what it is.
        Raises: InUseError, OtherRequestError.
        """
        name = hashlib.sha256(f"{caller}\n{key}".encode()).hexdigest()
        record = keys.idempotency(name)
        await self._redis.set(record, msgspec.json.encode(Kept(fingerprint)), ex=KEPT, nx=True)
        if answer := await self._known(record, fingerprint):
            yield answer
            return
        owner = secrets.token_hex(8)
        lock = keys.idempotency_lock(name)
        if not await self._redis.set(lock, owner, px=int(LEASE * 1000), nx=True):
            raise InUseError
        turn = Turn(self._redis, name, fingerprint, owner)
        heart = asyncio.create_task(turn.renew_for_ever())
        try:
            # Whoever held the lock until now may have answered since we looked.
            answer = await self._known(record, fingerprint)
            yield answer or turn
        finally:
            heart.cancel()
            await turn.let_go()

    async def _known(self, record: str, fingerprint: str) -> Answer | None:
        value = await self._redis.get(record)
        if value is None:
            return None  # it has lapsed in this very moment
        kept = _decode(value)
        if kept.fingerprint != fingerprint:
            raise OtherRequestError
        return kept.answer
