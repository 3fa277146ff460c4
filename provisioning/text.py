"""
Sentences for people, translated where they are shown: the English text is the id of the translation.

What is stored, logged or sent to a program is English: `str(text)`. `console.words` translates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias


class Text:
    """
    A sentence whose variable parts are kept apart from it; made in English only when it is shown.

    >>> str(Text("cannot read {path}", path="a.csv"))
    'cannot read a.csv'

    Args:
        id: the English text. With `params` it is a format string, without them it is taken as it is.
        params: the variable parts, by the names in the braces; a `Text` among them is translated too.
    """

    __slots__ = ("count", "id", "params", "plural")

    id: Final[str]
    params: Final[Mapping[str, object]]

    def __init__(self, id: str, /, **params: object) -> None:
        self.id = id
        self.params = params
        self.plural: str = ""
        self.count: int = 1

    def __str__(self) -> str:
        text = self.plural if self.plural and self.count != 1 else self.id
        return text.format(**self.params) if self.params else text

    @property
    def parts(self) -> list[AnyText]:
        """Its variable parts that are texts: what `joined` put together."""
        return [part for part in self.params.values() if isinstance(part, str | Text)]

    def __repr__(self) -> str:
        return f"Text({str(self)!r})"


def plural(one: str, many: str, count: int, /, **params: object) -> Text:
    """
    A sentence about `count` things; `{count}` in it is their number.

    >>> str(plural("{count:,} row", "{count:,} rows", 2000))
    '2,000 rows'
    """
    text = Text(one, count=count, **params)
    text.plural, text.count = many, count
    return text


AnyText: TypeAlias = str | Text
"""A text for people; a plain string is its own id."""


def several(one: str, many: str) -> tuple[str, str]:
    """Two forms that `plural` gets elsewhere; here they are found to be translated."""
    return one, many


def marked(*texts: str) -> tuple[str, ...]:
    """Texts that are shown elsewhere; here they are found to be translated."""
    return texts


def joined(separator: str, parts: Iterable[AnyText]) -> Text:
    """
    Texts one after the other, those that are not empty.

    >>> str(joined("; ", ["save it", "", Text("read {name}", name="a.csv")]))
    'save it; read a.csv'
    """
    named = {f"part{number}": part for number, part in enumerate(filter(None, parts))}
    return Text(separator.join(f"{{{name}}}" for name in named), **named)
