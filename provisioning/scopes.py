"""What can be held back, as holds and acts name it: everything, one batch, one credential, one target."""

from __future__ import annotations

from typing import Final

KINDS: Final = {"all": "all", "batch": "batch:", "credential": "credential:", "target": "target:"}
"""What the name of each begins with."""

EVERYTHING = KINDS["all"]


def of_batch(batch_id: str) -> str:
    """One batch."""
    return KINDS["batch"] + batch_id


def of_credential(credential: str) -> str:
    """One credential."""
    return KINDS["credential"] + credential


def of_target(target: str) -> str:
    """One target API."""
    return KINDS["target"] + target


def of_job(job_id: str) -> str:
    """One job: nothing holds it alone, but acts are on it."""
    return f"job:{job_id}"


OWNER: Final = "owner:"
"""What the name of an owner begins with: nothing holds it back, but acts are on it, and its webhook is."""


def of_owner(name: str) -> str:
    """One owner. No batch or job has such an id: these have no colon."""
    return OWNER + name
