"""Requirements for a Redis that holds the ledger: `Ledger.check` enforces and the doctor reports them."""

from __future__ import annotations

from provisioning.errors import LedgerUnfitError
from provisioning.text import Text

OLDEST = (6, 2)


def check_version(version: str) -> None:
    """Raises: LedgerUnfitError if a Redis of this version lacks commands that the scripts use."""
    numbers = tuple(int(part) for part in version.split(".")[:2])
    if numbers < OLDEST:
        raise LedgerUnfitError(
            Text("Redis {version} is too old to be the ledger", version=version),
            hint="use Redis 6.2 or newer, or any Valkey",
        )


def check_eviction(policy: str) -> None:
    """Raises: LedgerUnfitError if a Redis with this `maxmemory-policy` drops keys when its memory is full."""
    if policy != "noeviction":
        raise LedgerUnfitError(
            Text(
                "this Redis evicts keys when its memory is full ({policy}): jobs would vanish", policy=policy
            ),
            hint="CONFIG SET maxmemory-policy noeviction",
        )
