"""Refuses a small JSON body with a repeated member: a parser would silently use the last one."""

from __future__ import annotations

import json
from typing import Any

from api.problem import Kind, ProblemError


def check_unique_names(body: bytes) -> None:
    """
    Checks that no object has two members of one name; invalid JSON passes, and its reader refuses it.

    Raises: ProblemError, which does not repeat the name.
    """
    try:
        json.loads(body, object_pairs_hook=_once)
    except _TwiceError:
        raise ProblemError(
            Kind.INVALID, "a member appears twice in the body; nothing was done", hint="send it once"
        ) from None
    except (ValueError, RecursionError):
        return


class _TwiceError(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise _TwiceError
