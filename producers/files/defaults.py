"""
The body that every row is laid over.

Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from producers.files.body import check_body
from provisioning.errors import InvalidInputError
from provisioning.text import Text, plural


def lay_over(base: Any, over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`: objects are merged member by member, anything else replaces what was there."""
    merged = dict(base) if isinstance(base, Mapping) else {}
    for name, value in over.items():
        merged[name] = lay_over(merged.get(name), value) if isinstance(value, Mapping) else value
    return merged


AS_IS = ("bot.id", "key", "credentials.whiteList", "credentials.blackList")
"""What can be meant as it stands: the identifiers."""


def check_as_is(paths: Collection[str]) -> None:
    """Raises: InvalidInputError, naming a path that is no identifier."""
    for path in paths:
        if path not in AS_IS:
            raise InvalidInputError(
                Text("{path!r} is not a column of ids", path=path),
                hint=Text("use one of {as_is}", as_is=", ".join(AS_IS)),
            )


def check_defaults(defaults: Any, as_is: Collection[str] = ()) -> None:
    """
    Nothing happens if every row may be laid over this body.

    Raises: InvalidInputError, naming the first member that is wrong.
    """
    whole = {"bot": {}, "widget": {}, **defaults} if isinstance(defaults, Mapping) else defaults
    problems = check_body(whole, new_bots=True, as_is=as_is)
    if problems:
        raise InvalidInputError(
            plural(
                "the defaults are not a body: {problem}",
                "the defaults are not a body: {problem} (and {more} more)",
                len(problems),
                problem=problems[0].text,
                more=len(problems) - 1,
            ),
            hint=problems[0].advice,
        )
