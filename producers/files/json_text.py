"""
JSON from strangers: decoded, and refused where one object gives a member twice.

Every decoder takes the last of the two in silence, and so another bot than the first may be meant.

Source: RFC 8259 §4 ("The names within an object SHOULD be unique").
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from provisioning.text import Text

# What ends a member's name. In a text there may be more of it, so that it is never fewer than the members.
_NAME_END = re.compile(r'"[ \t\r\n]*:')
_NAME_END_BYTES = re.compile(rb'"[ \t\r\n]*:')

KEEP_ONE = Text("keep the one that is meant")

_decode = msgspec.json.Decoder().decode


class GivenTwiceError(msgspec.DecodeError):
    """An object has two members of one name."""

    def __init__(self, text: Text) -> None:
        super().__init__(str(text))
        self.text = text


def decode(text: str | bytes) -> Any:
    """
    The value of a JSON text.

    Raises: msgspec.DecodeError if it is none; GivenTwiceError; UnicodeEncodeError, RecursionError.
    """
    value = _decode(text)
    if twice := repeated_member(text, value):
        raise GivenTwiceError(Text("the member {twice!r} is given twice", twice=twice))
    return value


def repeated_member(text: str | bytes, value: Any) -> str | None:
    """
    A member that one object of a JSON text gives twice; None if there is none.

    Args:
        text: valid JSON.
        value: what it was decoded to; its members are counted, which is quicker than a second look.
    """
    names = len(_NAME_END.findall(text) if isinstance(text, str) else _NAME_END_BYTES.findall(text))
    if names == _members(value):
        return None
    try:
        # Numbers stay as written: one of thousands of digits is no number to Python.
        json.loads(text, object_pairs_hook=_refuse_twice, parse_int=str, parse_float=str)
    except _FoundTwiceError as found:
        return found.name
    return None


def _members(value: Any) -> int:
    count = 0
    if isinstance(value, dict):
        count = len(value)
        for member in value.values():
            if isinstance(member, dict | list):
                count += _members(member)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list):
                count += _members(item)
    return count


class _FoundTwiceError(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _refuse_twice(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise _FoundTwiceError(name)
        members[name] = value
    return members
