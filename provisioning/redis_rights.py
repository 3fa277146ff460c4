"""
What a user of Redis must be allowed for a worker to work, and whether it is: the keys and channels of Celery.

What the ledger's own keys need is tried by `checks.redis_facts`. Celery's keys hold messages, so nothing is
tried there that could move one: a command that takes something away is given what nobody has put there.
"""

from __future__ import annotations

import secrets
from typing import Any

from redis.exceptions import NoPermissionError

QUEUE_KEYS = ("celery*", "unacked*", "_kombu.*", "*.celery.pidbox*")


def rights(database: int = 0) -> str:
    """
    Rules for `ACL SETUSER` that suffice for workers, commands, the HTTP API and Flower.

    >>> rights(3)[-72:]
    'resetchannels &/3.celery.pidbox &/3.celeryev/* +@all -@dangerous +info'
    """
    keys = " ".join(f"~{key}" for key in ("pv:*", *QUEUE_KEYS))
    channels = " ".join(f"&{channel}" for channel in _channels(database))
    return f"{keys} resetchannels {channels} +@all -@dangerous +info"


def missing_rights(client: Any, database: int, queue: str) -> list[str]:
    """
    What Celery does on Redis and this user may not, as `COMMAND key`.

    Args:
        client: a blocking client of redis-py, connected as Celery is.
        queue: the name of Celery's queue.
    Raises: redis.RedisError for anything but a lack of permission.
    """
    nobody = secrets.token_hex(8)
    tries: tuple[tuple[str | int | float, ...], ...] = (
        ("LREM", queue, 0, nobody),
        ("BRPOP", f"{queue}\x06\x16{nobody}", 0.01),  # as the queue of another priority is called
        ("HDEL", "unacked", nobody),
        ("ZREM", "unacked_index", nobody),
        ("GET", "unacked_mutex"),
        ("SREM", f"_kombu.binding.{queue}", nobody),
        ("SREM", f"_kombu.binding_permanent.{queue}", nobody),
        ("LLEN", f"{nobody}.celery.pidbox"),
        ("EVAL", "return 1", 0),
    )
    missing = []
    for command in tries:
        try:
            client.execute_command(*command)
        except NoPermissionError:
            name = str(command[1]).partition("\x06")[0].replace(nobody, "*") if command[0] != "EVAL" else ""
            missing.append(f"{command[0]} {name}".rstrip())
    for channel in _channels(database):
        with client.pubsub() as subscription:
            try:
                subscription.psubscribe(channel)
                subscription.parse_response(timeout=2)
            except NoPermissionError:
                missing.append(f"PSUBSCRIBE {channel}")
    return missing


def _channels(database: int) -> tuple[str, ...]:
    """The patterns that Celery subscribes to. Redis allows one only if a rule has it letter by letter."""
    return f"/{database}.celery.pidbox", f"/{database}.celeryev/*"
