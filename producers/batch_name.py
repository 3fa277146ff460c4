"""
Valid names of batches, and the form of their ids: one rule for the command line, HTTP and Celery.

A batch is found by its id or its name: no name may look like an id, and each must fit into one segment of a
path: `/v1/batches/NAME`, `NAME.outcomes/`.
"""

from __future__ import annotations

import re
import secrets

from provisioning.errors import InvalidInputError
from provisioning.printable import is_shown
from provisioning.text import Text

LONGEST = 200
"""Characters of a name at most."""

_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"  # without characters that look alike
_ID = re.compile(rf"b[{_ALPHABET}]{{7}}", re.IGNORECASE)


def new_batch_id() -> str:
    """An id that no batch has; short, and easy to read out."""
    return "b" + "".join(secrets.choice(_ALPHABET) for _ in range(7))


def check_batch_name(name: str) -> str:
    """
    The same name, if a batch may have it.

    Raises: InvalidInputError, which does not repeat it.
    """
    if wrong := _wrong(name):
        raise InvalidInputError(wrong, hint="use letters, digits, spaces and . _ -")
    return name


def _wrong(name: str) -> Text | None:
    """What is wrong with this name; None if it is valid."""
    if not name.strip() or len(name) > LONGEST or not is_shown(name):
        return Text("the name of a batch must have 1 to {longest} visible characters", longest=LONGEST)
    if "/" in name or "\\" in name:
        return Text("the name of a batch must not contain / or \\")
    if name.strip() in (".", ".."):
        return Text("the name of a batch cannot be . or ..")
    if _ID.fullmatch(name.strip()):
        return Text("the name of a batch must not look like a batch id: b and seven letters or digits")
    return None
