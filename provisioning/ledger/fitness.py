"""Requirements for a Redis that holds the ledger: `Ledger.check` enforces and the doctor reports them."""

from __future__ import annotations

from provisioning.errors import LedgerUnfitError

OLDEST = (6, 2)


def check_version(version: str) -> None:
    """Raises: LedgerUnfitError if a Redis of this version lacks commands that the scripts use."""
    numbers = tuple(int(part) for part in version.split(".")[:2])
    if numbers < OLDEST:
        raise LedgerUnfitError(
            f"Redis {version} is too old to be the ledger", hint="use Redis 6.2 or newer, or any Valkey"
        )


def check_eviction(policy: str) -> None:
    """Raises: LedgerUnfitError if a Redis with this `maxmemory-policy` drops keys when its memory is full."""
    if policy != "noeviction":
        raise LedgerUnfitError(
            f"this Redis evicts keys when its memory is full ({policy}): jobs would vanish",
            hint="CONFIG SET maxmemory-policy noeviction",
        )
