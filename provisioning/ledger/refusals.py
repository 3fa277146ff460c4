"""
Refusals of a Redis that can be reached: their meaning for the ledger and for the broker.

None of these is a bug of this program, and each is temporary: they are handled like an unavailable Redis.
Some prove that a connection leads to a server that will never accept a write; such a connection is closed.
"""

from __future__ import annotations

import re
from typing import Final

from redis.exceptions import NoPermissionError, OutOfMemoryError, ReadOnlyError, RedisError

from provisioning.text import AnyText, Text, marked

_MEANING: Final[dict[str, tuple[str, ...]]] = {
    "READONLY": marked(
        "{redis} is a replica and takes no writes",
        "after a failover PROVISION_REDIS_URL must lead to the new primary; it is tried again",
    ),
    "MASTERDOWN": marked(
        "{redis} is a replica that has lost its primary",
        "start the primary, or fail over; it is tried again",
    ),
    "UNBLOCKED": marked(
        "{redis} has become a replica",
        "after a failover PROVISION_REDIS_URL must lead to the new primary; it is tried again",
    ),
    "CLUSTERDOWN": marked(
        "{redis} is part of a cluster that is down",
        "a cluster is not supported: use one primary",
    ),
    "MISCONF": marked(
        "{redis} cannot write to its disk and takes no writes: {text}",
        "free its disk (of the embedded server: that of the folder .provision); it is tried again",
    ),
    "OOM": marked(
        "{redis} is full (maxmemory) and takes no writes",
        "give it memory, or remove old batches; it is tried again",
    ),
    "BUSY": marked(
        "{redis} is busy with a script that does not end",
        "see its SLOWLOG; SCRIPT KILL ends a script that has written nothing",
    ),
    "NOPERM": marked(
        "{redis} does not let this user do that: {text}",
        "provision doctor --only redis --only broker names what is missing; it is tried again",
    ),
    "LOADING": marked("{redis} is reading its data", "wait; it is tried again"),
    "NOREPLICAS": marked(
        "{redis} has too few replicas in step and takes no writes (min-replicas-to-write)",
        "start the replicas; it is tried again",
    ),
    "SETTLING": marked(
        "{redis} was restarted or has taken over, and may have lost its last writes: before it takes jobs"
        " again, workers tell it what they have sent",
        "this takes ten seconds; workers try again by themselves, and the same command goes on then",
    ),
    "TRYAGAIN": marked("{redis} is moving keys", "wait; it is tried again"),
}

_BY_CLASS: Final[dict[type[RedisError], str]] = {
    NoPermissionError: "NOPERM",
    OutOfMemoryError: "OOM",
    ReadOnlyError: "READONLY",
}
"""Refusals with their own class in redis-py, which removes the code from their text."""

_LEADS_ELSEWHERE: Final = frozenset({"READONLY", "MASTERDOWN", "UNBLOCKED", "CLUSTERDOWN"})

# A server before 7 wraps what a command said inside a script: `ERR Error running script …: -OOM command …`;
# redis-py wraps what one said inside a pipeline: `Command # 1 (…) of pipeline caused error: ('MISCONF …',)`.
_CODE: Final = re.compile(rf"(?:^|: (?:-|\(['\"])?)({'|'.join(_MEANING)})\b")


def code_of(error: BaseException) -> str | None:
    """
    The code of a temporary refusal; None for errors of any other kind.

    >>> from redis.exceptions import ResponseError
    >>> code_of(ResponseError("MISCONF Errors writing to the AOF file: No space left on device"))
    'MISCONF'
    >>> code_of(ResponseError("WRONGTYPE Operation against a key"))
    """
    if not isinstance(error, RedisError):
        return None
    word = getattr(error, "status_code", None)  # redis-py removes some of the codes from the text
    if word in _MEANING:
        return str(word)
    for kind, code in _BY_CLASS.items():
        if isinstance(error, kind):
            return code
    found = _CODE.search(str(error))
    return found[1] if found else None


def leads_elsewhere(error: BaseException) -> bool:
    """Whether an answer proves that its connection leads to a server that is not the primary."""
    return code_of(error) in _LEADS_ELSEWHERE


def in_words(error: BaseException, redis: AnyText = "Redis") -> tuple[Text, Text] | None:
    """
    Message and hint for a refusal; None if it is none of these.

    Args:
        redis: the server's name in messages: `Redis at 127.0.0.1:6379`.
    """
    word = code_of(error)
    if word is None:
        return None
    meaning, hint = _MEANING[word]
    found = _CODE.search(str(error))
    text = str(error)[found.end() if found else 0 :].strip().rstrip("',\")")
    return Text(meaning, redis=redis, text=text), Text(hint)
