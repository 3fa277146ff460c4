"""
Owners: services that share one ledger and do not see each other's batches, jobs, keys and webhooks.

Whatever names no owner belongs to `DEFAULT`, as does all that was there before owners were
(docs/decisions/0037-owners.md).
"""

from __future__ import annotations

import re
from typing import Final

from provisioning.errors import InvalidInputError

DEFAULT: Final = "default"

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


def is_owner(name: str) -> bool:
    """Whether an owner may have this name."""
    return _NAME.fullmatch(name) is not None


def check_owner(name: str) -> str:
    """
    The same name, if an owner may have it.

    Raises: InvalidInputError, which does not repeat it.
    """
    if not is_owner(name):
        raise InvalidInputError(
            "the name of an owner has characters that it must not have, or too many",
            hint="use 1 to 32 lower-case letters, digits and . _ -, and begin with a letter or digit",
        )
    return name


def owned_name(owner: str, name: str) -> str:
    """What a batch is called among those of all owners: `june`, or `crm/june` (no name holds a slash)."""
    return name if owner == DEFAULT else f"{owner}/{name}"
