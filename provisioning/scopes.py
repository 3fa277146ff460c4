"""Scopes of holds and of actions in the audit: everything, one batch, one credential or one target."""

from __future__ import annotations

from typing import Final

KINDS: Final = {"all": "all", "batch": "batch:", "credential": "credential:", "target": "target:"}
"""Prefix of the text of each scope."""

EVERYTHING = KINDS["all"]


def of_batch(batch_id: str) -> str:
    """The scope of one batch."""
    return KINDS["batch"] + batch_id


def of_credential(credential: str) -> str:
    """The scope of one credential."""
    return KINDS["credential"] + credential


def of_target(target: str) -> str:
    """The scope of one target, by its address."""
    return KINDS["target"] + target


def of_job(job_id: str) -> str:
    """The scope of an action on one job; a hold cannot have it."""
    return f"job:{job_id}"


def of_token(name: str) -> str:
    """An API token: nothing holds it, but acts are on it."""
    return f"token:{name}"


def of_user(name: str) -> str:
    """A user of the web console: nothing holds one, but acts are on it."""
    return f"user:{name}"


OWNER: Final = "owner:"
"""What the name of an owner begins with: nothing holds it back, but acts are on it, and its webhook is."""


def of_owner(name: str) -> str:
    """One owner. No batch or job has such an id: these have no colon."""
    return OWNER + name
