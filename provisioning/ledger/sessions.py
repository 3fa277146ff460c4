"""
Sessions of the web console: who has signed in, kept in Redis for all servers.

The cookie holds 256 random bits; the ledger keeps their SHA-256. A session names its API token or its user,
which is looked up at each request: a revoked token, a deleted user and a new password end it within a second.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from provisioning.ledger import keys

IDLE: Final = 30 * 60
"""Seconds without a request after which a session ends."""

LONGEST: Final = 8 * 3600
"""Seconds after which a session ends in any case."""


class Session(msgspec.Struct, frozen=True):
    """
    A person who has signed in.

    Attributes:
        token_id: id of the API token, or of the user's record, whose owner and scopes are this person's.
        created_at: Unix seconds.
        form_key: secret of which the tokens of forms are made.
        user: name of the user; empty for an API token.
    """

    token_id: str
    created_at: float
    form_key: str
    user: str = ""


_decode = msgspec.json.Decoder(Session).decode


class Sessions:
    """The sessions of one ledger."""

    def __init__(self, redis: Redis, clock: Callable[[], float] = time.time) -> None:
        self._redis: Any = redis
        self._clock = clock

    async def open(self, token_id: str, *, user: str = "") -> str:
        """Begins a session; the arguments are as in `Session`. Returns: what the cookie holds."""
        shown = secrets.token_urlsafe(32)
        session = Session(token_id, self._clock(), secrets.token_urlsafe(32), user)
        await self._redis.set(_key(shown), msgspec.json.encode(session), ex=IDLE)
        return shown

    async def find(self, shown: str) -> Session | None:
        """The session of a cookie, which lasts `IDLE` from now on; None if it has ended."""
        value = await self._redis.getex(_key(shown), ex=IDLE)
        if value is None:
            return None
        session = _decode(value)
        if self._clock() - session.created_at >= LONGEST:
            await self.close(shown)
            return None
        return session

    async def find_all(self, shown: Sequence[str]) -> dict[str, Session]:
        """The sessions of these cookies that have not ended; their idle time goes on."""
        if not shown:
            return {}
        values = await self._redis.mget([_key(each) for each in shown])
        found = {each: _decode(value) for each, value in zip(shown, values, strict=True) if value}
        now = self._clock()
        return {each: session for each, session in found.items() if now - session.created_at < LONGEST}

    async def close(self, shown: str) -> None:
        """Ends a session."""
        await self._redis.delete(_key(shown))


def _key(shown: str) -> str:
    return keys.session(hashlib.sha256(shown.encode("utf-8", "surrogateescape")).hexdigest())
