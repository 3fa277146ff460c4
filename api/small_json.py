"""A small JSON body that gives each member once: of two of one name the last would win in silence."""

from __future__ import annotations

import json
from typing import Any

from api.problem import Kind, ProblemError


def check_unique_names(body: bytes) -> None:
    """
    Lets everything pass but an object with two members of one name; what is no JSON, its reader refuses.

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
