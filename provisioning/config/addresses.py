"""The kinds of addresses of a Redis: one server, or the primary that its Sentinels name."""

from __future__ import annotations

from provisioning.config import redis_address
from provisioning.config.redis_address import RedisAddress
from provisioning.config.sentinel_address import SENTINEL_SCHEMES, SentinelAddress

SCHEMES = (*redis_address.SCHEMES, *SENTINEL_SCHEMES)


def parse(url: str) -> RedisAddress | SentinelAddress:
    """
    Reads the address of a Redis.

    Raises: ValueError with a message that does not repeat the address: it may hold a password.
    """
    return SentinelAddress.parse(url) if is_of_sentinels(url) else RedisAddress.parse(url)


def is_of_redis(url: str) -> bool:
    """Whether an address is of one of these kinds, valid or not."""
    return _scheme(url) in SCHEMES


def is_of_sentinels(url: str) -> bool:
    """Whether an address names Sentinels."""
    return _scheme(url) in SENTINEL_SCHEMES


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower()
