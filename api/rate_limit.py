"""The rate limit of each token, and the headers that tell a client how much of it is left."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass

from api.problem import Kind, ProblemError
from provisioning.config.settings import Settings
from provisioning.ledger import Ledger
from provisioning.ledger.tokens import Token

BURST = 10.0
"""Burst of a token, in seconds of its rate: a service that starts may have a backlog."""

BLOCK = 20
"""Most requests that one call to the ledger reserves."""

BLOCK_GOOD_FOR = 1.0
"""Seconds until unused reservations expire."""

BLOCK_SHARE = 0.25
"""Most of what a token may do in this time that one call reserves: the rest is for other servers."""


@dataclass(frozen=True, slots=True)
class RemainingQuota:
    """
    What a token may still do.

    Attributes:
        limit: requests that may come at once.
        remaining: of these, how many are left.
        reset: seconds until all of them are there again.
    """

    limit: int
    remaining: int
    reset: float

    @property
    def headers(self) -> dict[str, str]:
        """Source: draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4."""
        return {
            "RateLimit-Policy": f'"token";q={self.limit};w={BURST:g}',
            "RateLimit": f'"token";r={self.remaining};t={math.ceil(self.reset)}',
        }


class Rates:
    """The rate limit of each token, kept in the ledger for all servers, reserved in blocks."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._ledger = ledger
        self._rate = settings.api_rate
        self._blocks: dict[str, tuple[int, RemainingQuota, float]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def admit(self, token: Token) -> RemainingQuota | None:
        """
        Admits one request. Returns: what is left; None without a limit.

        Raises: ProblemError if nothing is left.
        """
        rate = self._rate.per_second
        if rate is None:
            return None
        if quota := self._take(token.id):
            return quota
        async with self._locks.setdefault(token.id, asyncio.Lock()):
            if quota := self._take(token.id):
                return quota
            most = max(1, min(BLOCK, math.floor(rate * BLOCK_GOOD_FOR * BLOCK_SHARE)))
            reserved = await self._ledger.tokens.reserve(token.id, self._rate, most, BURST)
            limit = max(1, math.floor(rate * BURST))
            # The bucket is empty at 0 and full at -BURST.
            quota = RemainingQuota(limit, max(0, math.floor(-reserved.level * rate)), BURST + reserved.level)
            if not reserved.number:
                raise ProblemError(
                    Kind.TOO_FAST,
                    f"more than {self._rate} requests with this token",
                    retry_after=reserved.wait,
                    headers=quota.headers,
                )
            self._blocks[token.id] = (reserved.number, quota, time.monotonic() + BLOCK_GOOD_FOR)
            return self._take(token.id)

    def _take(self, id_: str) -> RemainingQuota | None:
        left, quota, until = self._blocks.get(id_, (0, None, 0.0))
        if quota is None or not left or until < time.monotonic():
            return None
        self._blocks[id_] = (left - 1, quota, until)
        return RemainingQuota(quota.limit, min(quota.limit, quota.remaining + left - 1), quota.reset)
