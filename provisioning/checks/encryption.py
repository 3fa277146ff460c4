"""Whether the keys here open what lies in the ledger. Pure: `Encryption.census` brings the facts."""

from __future__ import annotations

from collections.abc import Iterator

from provisioning.checks.finding import Finding, fatal, ok, warning
from provisioning.errors import ConfigurationError
from provisioning.ledger.encryption import Census, load_masters

ENCRYPTED = "this ledger is encrypted and PROVISION_ENCRYPTION_KEYS is not set"


def judge_masters(text: str) -> Iterator[Finding]:
    """Whether `Settings.masters` can be read at all; nothing if it can, for the ledger says more."""
    try:
        load_masters(text)
    except ConfigurationError as error:
        yield fatal("encryption.keys", error.message, error.hint)


def judge_encryption(census: Census) -> Finding:
    """What the data keys say about the master keys."""
    check = "encryption.keys"
    if not census.keys:
        said = (
            "keys are set: bodies and widgets are sealed"
            if census.masters
            else "nothing is encrypted at rest"
        )
        return ok(check, said)
    if not census.masters:
        return fatal(check, ENCRYPTED, "set it to the keys that the other workers have")
    if not census.fingerprints or (census.closed and not census.opened):
        return fatal(
            check,
            "none of PROVISION_ENCRYPTION_KEYS opens this ledger: they belong to another, or are too new",
            "add the old keys behind the new one; provision rotate-keys makes them unneeded",
        )
    if census.closed:
        return warning(
            check,
            f"PROVISION_ENCRYPTION_KEYS does not open the keys of {census.closed} of"
            f" {census.opened + census.closed} batches: their jobs cannot be sent or shown",
            "add the old keys behind the new one, then provision rotate-keys",
        )
    return ok(check, f"the keys open all of {census.opened} that lie in the ledger")
