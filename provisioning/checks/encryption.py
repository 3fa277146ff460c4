"""Checks that the keys here decrypt the ledger's data. Pure: `Encryption.census` collects the facts."""

from __future__ import annotations

from collections.abc import Iterator

from provisioning.checks.finding import Finding, fatal, ok, warning
from provisioning.errors import ConfigurationError
from provisioning.ledger.encryption import Census, load_masters
from provisioning.text import Text

ENCRYPTED = Text("this ledger is encrypted and PROVISION_ENCRYPTION_KEYS is not set")


def judge_masters(text: str) -> Iterator[Finding]:
    """A finding if `Settings.masters` cannot be read; none if it can: the ledger's check shows more."""
    try:
        load_masters(text)
    except ConfigurationError as error:
        yield fatal("encryption.keys", error.text, error.advice)


def judge_encryption(census: Census) -> Finding:
    """The finding on the master keys, from the data keys."""
    check = "encryption.keys"
    if not census.keys:
        message = (
            Text("encryption keys are set: request bodies and widgets are encrypted")
            if census.masters
            else Text("nothing is encrypted at rest")
        )
        return ok(check, message)
    if not census.masters:
        return fatal(check, ENCRYPTED, "set it to the same keys as on the other workers")
    if not census.fingerprints or (census.closed and not census.opened):
        return fatal(
            check,
            "no key in PROVISION_ENCRYPTION_KEYS can decrypt this ledger: "
            "they are of another ledger, or too new",
            "add the old keys after the new one; then run provision rotate-keys",
        )
    if census.closed:
        return warning(
            check,
            Text(
                (
                    "PROVISION_ENCRYPTION_KEYS cannot decrypt the data keys of {closed} of "
                    "{all} batches: these jobs cannot be sent or shown"
                ),
                closed=census.closed,
                all=census.opened + census.closed,
            ),
            "add the old keys after the new one; then run provision rotate-keys",
        )
    return ok(check, Text("the keys decrypt all {opened} data keys of the ledger", opened=census.opened))
