"""What a user of Redis must be allowed for a worker to work: the keys and channels of ledger and Celery."""

from __future__ import annotations

QUEUE_KEYS = ("celery*", "unacked*", "_kombu.*", "*.celery.pidbox*")


def rights(database: int = 0) -> str:
    """
    Rules for `ACL SETUSER` that suffice for workers, commands, the HTTP API and Flower.

    >>> rights(3)[-70:]
    'resetchannels &/3.celery.pidbox &/3.celeryev/* +@all -@dangerous +info'
    """
    keys = " ".join(f"~{key}" for key in ("pv:*", *QUEUE_KEYS))
    channel_rules = " ".join(f"&{channel}" for channel in channels(database))
    return f"{keys} resetchannels {channel_rules} +@all -@dangerous +info"


def channels(database: int) -> tuple[str, ...]:
    """The patterns that Celery subscribes to. Redis allows one only if a rule has it letter by letter."""
    return f"/{database}.celery.pidbox", f"/{database}.celeryev/*"
