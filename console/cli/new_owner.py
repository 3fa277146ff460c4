"""A warning when an owner is named for the first time."""

from __future__ import annotations

from console.cli.language import tr
from console.cli.shell import talk
from provisioning.ledger import Ledger
from provisioning.owner import DEFAULT


async def warn_of_new_owner(ledger: Ledger, owner: str) -> None:
    """Says that the tenants of others are new to an owner that has no jobs where others have some."""
    if owner == DEFAULT:
        return
    owners = await ledger.queries.owners()
    if owners and owner not in owners:
        talk.print(
            tr(
                "note: {owner} has no jobs yet: a tenant that another owner has is new to it"
                " and would get a second widget",
                owner=owner,
            ),
            soft_wrap=True,
        )
