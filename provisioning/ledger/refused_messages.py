"""
Messages that no worker could execute, stored for a person: with their reason, encrypted, and limited.

A message contains the submitter's data, tenants' bodies included, so it is encrypted like bodies. If the
ledger is encrypted and this process lacks the keys, only the reason is stored. The list is limited by count,
by size and by the retention of dead letters.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from provisioning.ledger.encryption import SealedError
from provisioning.ledger.keys import INTAKE_DEAD
from provisioning.ledger.schema import Refuse
from provisioning.ledger.scripts import Call
from provisioning.owner import DEFAULT, is_owner

if TYPE_CHECKING:
    from provisioning.ledger.ledger import Ledger

MOST = 1000
"""Most messages that are kept; the oldest are deleted first."""

MOST_BYTES = 32_000_000
"""Most bytes of all messages together; the oldest are deleted first."""

LONGEST = 1_000_000
"""Most bytes of one message; of a longer one the beginning is kept."""

CUT = 64_000
"""Bytes that are kept of a message that is too long."""

DAYS = 90.0
"""Days that one is kept if no retention of dead letters is set."""

DATA_KEY = "refused"
"""Name of the data key that encrypts them; no batch has this id: theirs begin with b."""

NOBODY = ""
"""Owner of a message whose own cannot be told: only those who see all owners see it."""

KEYS_KEPT = 100
"""Keys of refused jobs that are kept with a message."""

LONGEST_KEY = 200
"""Characters that are kept of such a key."""

LOOKED_AT = 100
"""Newest messages that are compared with one that is delivered again; messages that are read at a time."""


async def keep(
    ledger: Ledger,
    *,
    task: str,
    batch: str,
    reason: str,
    message: Mapping[str, Any],
    owner: str = DEFAULT,
    keys: Sequence[str] = (),
) -> bool:
    """
    Stores a message with its reason, once also if it is delivered again.

    Args:
        task: the message's id.
        owner: for whom it was to submit; `NOBODY` is kept if that is not the name of an owner.
        keys: of the jobs that were refused; the first `KEYS_KEPT` are kept, in clear.
    Returns: whether it is new.
    Raises: LedgerUnavailableError.
    """
    redis: Any = ledger.redis
    task, batch, reason = _visible(task), _visible(batch), _visible(reason)
    for line in await redis.lrange(INTAKE_DEAD, 0, LOOKED_AT - 1):
        before = json.loads(line)
        if before["task"] == task and before["reason"] == reason:
            return False
    facts = {
        "at": time.time(),
        "reason": reason,
        "task": task,
        "batch": batch,
        "owner": owner if is_owner(owner) else NOBODY,
        "keys": [_visible(key)[:LONGEST_KEY] for key in keys[:KEYS_KEPT]],
    }
    await ledger.do(_call(json.dumps(facts | await _sealed(ledger, message)).encode()))
    return True


async def read(ledger: Ledger, most: int = MOST, owner: str | None = None) -> list[dict[str, Any]]:
    """
    The messages, newest first: at, reason, task, batch, owner, keys, and `message`, or `sealed` if it cannot
    be decrypted.

    Args:
        owner: the only one whose messages are read; None for all.
    Raises: LedgerUnavailableError.
    """
    redis: Any = ledger.redis
    found: list[dict[str, Any]] = []
    for first in range(0, MOST, LOOKED_AT):
        lines = await redis.lrange(INTAKE_DEAD, first, first + LOOKED_AT - 1)
        for facts in map(json.loads, lines):
            if owner in (None, facts.get("owner", DEFAULT)):
                found.append(await _opened(ledger, facts))
            if len(found) == most:
                return found
        if len(lines) < LOOKED_AT:
            break
    return found


async def forget(ledger: Ledger, before: float) -> int:
    """Deletes up to a hundred that were refused before a time in Unix seconds. Returns: how many."""
    return await ledger.do(_call(b"", before))


def _call(line: bytes, before: float = 0.0) -> Call[int]:
    return Call("refused", INTAKE_DEAD, int, Refuse(line, MOST, MOST_BYTES, int(before)))


def _visible(text: str) -> str:
    """Text that can be encoded: half a surrogate pair is escaped."""
    return text.encode(errors="backslashreplace").decode()[:2000]


def _text(message: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(message, default=str).encode()
    except (TypeError, ValueError, RecursionError) as error:
        return json.dumps({"unreadable": type(error).__name__}).encode()


async def _sealed(ledger: Ledger, message: Mapping[str, Any]) -> dict[str, Any]:
    text = _text(message)
    if len(text) > LONGEST:
        text = json.dumps({"cut": text[:CUT].decode(), "bytes": len(text)}).encode()
    try:
        sealed = await ledger.encryption.seal_for(DATA_KEY, text)
    except SealedError as error:
        return {"sealed": f"not kept: {error.message}"}
    if sealed is text:
        return {"message": json.loads(text)}
    return {"sealed": base64.b64encode(sealed).decode()}


async def _opened(ledger: Ledger, facts: dict[str, Any]) -> dict[str, Any]:
    sealed = facts.get("sealed")
    if sealed is None or sealed.startswith("not kept"):
        return facts
    try:
        text = await ledger.encryption.open(base64.b64decode(sealed))
    except SealedError as error:
        return facts | {"sealed": error.message}
    facts.pop("sealed")
    return facts | {"message": json.loads(text)}
