"""
Serialisation of structs for Lua scripts: the values of their fields, one after the other.

A `Layout` is created from a struct's type hints. It turns structs into arguments and replies into structs,
and generates the Lua that does the same in the script, so that no code contains the position of a field.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import astuple

Argument = str | bytes | int | float

MILLISECONDS: Final = "milliseconds"
SEALED: Final = "sealed"
HASHED: Final = "hashed"

NAME: Final = "name"

Named = Annotated[int, NAME]
"""A number that Lua keeps as text, because it is only a name: that of a job within its batch."""

Seconds = Annotated[float, MILLISECONDS]
"""Seconds in Python, whole milliseconds in Redis and in Lua."""

Sealed = Annotated[bytes, SEALED]
"""A value that is encrypted if encryption is on (`encryption.py`)."""

Hashed = Annotated[str, HASHED]
"""A fingerprint that is keyed if encryption is on."""

S = TypeVar("S", bound=msgspec.Struct)

_json = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Field:
    """
    One field.

    Attributes:
        argument: converts its value to an argument; None if no conversion is needed.
        value: converts a part of a reply to its value.
        taken: Lua that converts the argument `%s` to a value.
        given: Lua that converts the value `%s` for a reply.
        mark: `SEALED`, `HASHED` or nothing.
    """

    name: str
    argument: Callable[[Any], Argument] | None
    value: Callable[[Any], Any]
    taken: str
    given: str
    mark: str


class Layout(Generic[S]):
    """
    The fields of a struct in their order.

    Attributes:
        sealed, hashed: names of the fields with these marks.
    """

    def __init__(self, struct: type[S]) -> None:
        self._struct = struct
        hints = get_type_hints(struct, include_extras=True)
        self.fields = tuple(_field(name, hints[name]) for name in struct.__struct_fields__)
        self.sealed = tuple(field.name for field in self.fields if field.mark == SEALED)
        self.hashed = tuple(field.name for field in self.fields if field.mark == HASHED)
        self._made = [(place, field.argument) for place, field in enumerate(self.fields) if field.argument]
        self._values = [field.value for field in self.fields]

    def arguments(self, rows: Sequence[S]) -> list[Argument]:
        """The values of the rows, one after the other."""
        flat: list[Any] = []
        for row in rows:
            flat += astuple(row)
        width = len(self.fields)
        for place, argument in self._made:
            flat[place::width] = map(argument, flat[place::width])
        return flat

    def rows(self, flat: Sequence[Any]) -> list[S]:
        """The structs of a reply that contains their values one after the other."""
        return list(map(self._struct, *self.columns(flat)))

    def columns(self, flat: Sequence[Any]) -> list[list[Any]]:
        """Likewise, but field by field."""
        width = len(self._values)
        return [list(map(value, flat[place::width])) for place, value in enumerate(self._values)]

    def taking(self, at: str) -> list[tuple[str, str]]:
        """Names of the fields, each with the Lua of its value; `at` is the position of the first one."""
        places = (f"ARGV[{at} + {place}]" for place in range(len(self.fields)))
        return [
            (field.name, field.taken.replace("%s", place))
            for field, place in zip(self.fields, places, strict=True)
        ]

    def giving(self) -> list[str]:
        """The Lua of each value that goes into a reply, of a local of its name."""
        return [field.given.replace("%s", field.name) for field in self.fields]


def _field(name: str, hint: Any) -> Field:
    base, marks, optional = _taken_apart(hint)
    mark = next((mark for mark in (SEALED, HASHED) if mark in marks), "")
    number = "tonumber(%s) or false" if optional else "tonumber(%s)"
    given = "(%s or '')" if optional else "%s"
    if isinstance(base, type) and issubclass(base, StrEnum):
        return Field(name, _or_empty(None, optional), _or_none(_member(base), optional), "%s", given, mark)
    if base is str:
        return Field(name, _or_empty(None, optional), _or_none(_text, optional), "%s", given, mark)
    if base is bytes:
        return Field(name, None, _bytes, "%s", "%s", mark)
    if base is bool:
        return Field(name, _flag, _is_one, "%s == '1'", "(%s and 1 or 0)", mark)
    if MILLISECONDS in marks:
        return Field(name, _or_empty(_whole_ms, optional), _or_none(_seconds, optional), number, given, mark)
    if NAME in marks:
        return Field(name, None, int, "%s", "%s", mark)
    if base is int:
        return Field(name, _or_empty(None, optional), _or_none(int, optional), number, given, mark)
    decoded = "%s ~= '' and cjson.decode(%s) or false" if optional else "cjson.decode(%s)"
    return Field(name, _or_empty(_json, optional), _unreadable, decoded, "%s", mark)


def _taken_apart(hint: Any) -> tuple[Any, frozenset[Any], bool]:
    """A hint's type, the marks on it, and whether it may be None."""
    optional = False
    if get_origin(hint) in (Union, types.UnionType):
        [hint] = [each for each in get_args(hint) if each is not type(None)]
        optional = True
    if get_origin(hint) is Annotated:
        hint, *marks = get_args(hint)
        return hint, frozenset(marks), optional
    return hint, frozenset(), optional


def _or_empty(argument: Callable[[Any], Argument] | None, optional: bool) -> Callable[[Any], Argument] | None:
    if not optional:
        return argument
    return lambda value: "" if value is None else argument(value) if argument else value


def _or_none(value: Callable[[Any], Any], optional: bool) -> Callable[[Any], Any]:
    return (lambda got: value(got) if got or got == 0 else None) if optional else value


def _member(enum: type[StrEnum]) -> Callable[[Any], StrEnum]:
    members = {member.value.encode(): member for member in enum}
    return lambda got: members[got]


def _text(got: Any) -> str:
    return got.decode() if isinstance(got, bytes) else str(got)


def _bytes(got: Any) -> bytes:
    return got or b""


def _flag(value: bool) -> str:
    return "1" if value else ""


def _is_one(got: Any) -> bool:
    return bool(got == 1)


def _whole_ms(value: float) -> int:
    return int(value * 1000)


def _seconds(got: Any) -> float:
    return float(got) / 1000


def _unreadable(got: Any) -> Any:
    raise TypeError(f"a reply holds no JSON: {got!r}")
