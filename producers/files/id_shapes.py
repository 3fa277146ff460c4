"""
The shapes of a column's ids: which few are unlike the others, and whether a spreadsheet has been at work.

No single cell can tell. `centro` is a fine id, and so is `593987654321`; but where all others are digits, or
begin with `+`, somebody should look. Memory does not grow with the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from producers.files.body import shorten
from producers.files.cells import unescape
from producers.files.identifiers import KEPT_DIGITS, lost_digits
from provisioning.digits import is_whole_number
from provisioning.text import Text

FEW = 36
"""Ids that one person can look at. More of a shape are no slip."""

SHARE = 10
"""A shape is odd if fewer than one in so many ids have it, or a single one and all others another."""

SHORTEST = 8
"""Digits from which on ids are expected to be of one length; shorter ones may just be counted up."""

_ALL_OTHERS = ("", 0)
_ROUNDED = "0…"

_Shape = int | tuple[str, int]
"""Digits alone: how many. Else what they begin with (`+`, `0`) or end in (`_ROUNDED`), and the length."""


class _Group:
    """The ids of one shape: how many, and the first of them."""

    __slots__ = ("count", "row", "text")

    def __init__(self, text: str, row: int) -> None:
        self.count = 1
        self.row = row
        self.text = text


class IdShapes:
    """
    What shapes the ids of one column have.

    Args:
        many: what they are called, such as "bot ids".
    """

    def __init__(self, many: Text) -> None:
        self._many = many
        self._groups: dict[_Shape, _Group] = {}

    def see(self, text: str, row: int) -> None:
        """Take note of one id, as it stands in its cell."""
        # Digits alone, as nearly all bot ids are, cost no more than this.
        shape: _Shape = len(text)
        if not (text.isdigit() and text.isascii()) or text[0] == "0" or shape == KEPT_DIGITS + 1:
            shape = _shape(text)
        if group := self._groups.get(shape):
            group.count += 1
        else:
            self._groups[shape] = _Group(shorten(text), row)

    @property
    def seen(self) -> bool:
        """Whether there was any id."""
        return bool(self._groups)

    def notes(self) -> list[Text]:
        """What a person should look at: few ids unlike all others, and what a spreadsheet may have done."""
        plain = {shape: group for shape, group in self._groups.items() if isinstance(shape, int)}
        marked = {shape: group for shape, group in self._groups.items() if isinstance(shape, tuple)}
        notes = [
            self._unlike(plain | marked),
            self._of_other_length(plain),
            self._lost_prefix(plain, marked),
            self._rounded(plain, marked),
        ]
        return [note for note in notes if note]

    def _unlike(self, groups: dict[_Shape, _Group]) -> Text | None:
        """Few that are no digits where all others are, or the other way round."""
        digits = [group for shape, group in groups.items() if shape != _ALL_OTHERS]
        others = [group for shape, group in groups.items() if shape == _ALL_OTHERS]
        if _are_few(others, digits):
            return self._odd(digits, Text("are digits"), others)
        if _are_few(digits, others):
            return self._odd(others, Text("are not digits alone"), digits)
        return None

    def _of_other_length(self, plain: dict[int, _Group]) -> Text | None:
        """Few that have more or fewer digits than all others."""
        if not plain:
            return None
        usual = max(plain, key=lambda length: plain[length].count)
        others = [group for length, group in plain.items() if length != usual]
        if usual < SHORTEST or not _are_few(others, [plain[usual]]):
            return None
        return self._odd([plain[usual]], Text("have {usual} digits", usual=usual), others)

    def _lost_prefix(self, plain: dict[int, _Group], marked: dict[tuple[str, int], _Group]) -> Text | None:
        """Some begin with `+` or `0`, and others are shorter: by one, or where zeros make all one length."""
        padded = sum(prefix == "0" for prefix, _ in marked) == 1
        for (prefix, length), group in marked.items():
            least = 1 if prefix == "0" and padded else length - 1
            bare = [found for at, found in plain.items() if least <= at < length]
            if prefix in ("+", "0") and bare:
                first = min(found.row for found in bare)
                return Text(
                    (
                        "some {many} begin with {prefix!r} (row {row}), and {count:,} that do not "
                        "are shorter (first in row {first}): did a spreadsheet drop the {prefix!r}?"
                    ),
                    many=self._many,
                    prefix=prefix,
                    row=group.row,
                    count=_count(bare),
                    first=first,
                )
        return None

    def _rounded(self, plain: dict[int, _Group], marked: dict[tuple[str, int], _Group]) -> Text | None:
        """Of a number of 16 digits the last may well be 0; of all of them only by a spreadsheet."""
        length = KEPT_DIGITS + 1
        group = marked.get((_ROUNDED, length))
        if group is None or length in plain:
            return None
        example = Text("row {row} is {text!r}", row=group.row, text=group.text)
        return Text(
            (
                "all {count:,} {many} of {length} digits end in 0 ({example}): did a "
                "spreadsheet, which keeps {kept_digits} digits, replace the last?"
            ),
            count=group.count,
            many=self._many,
            length=length,
            example=example,
            kept_digits=KEPT_DIGITS,
        )

    def _odd(self, usual: Sequence[_Group], have: Text, odd: Sequence[_Group]) -> Text:
        count, odd_count = _count(usual), _count(odd)
        first = min(odd, key=lambda group: group.row)
        example = Text("row {row} is {text!r}", row=first.row, text=first.text)
        if odd_count > 1:
            example = Text(
                "{odd_count} are otherwise, such as {text!r} in row {row}",
                odd_count=odd_count,
                text=first.text,
                row=first.row,
            )
        return Text(
            "{count:,} of {all:,} {many} {have}; {example}",
            count=count,
            all=count + odd_count,
            many=self._many,
            have=have,
            example=example,
        )


def _shape(text: str) -> _Shape:
    if text[:1].isalpha():
        return _ALL_OTHERS
    text = unescape(text.strip())
    first, length = text[:1], len(text)
    if first == "+" and is_whole_number(text[1:]):
        return "+", length
    if not is_whole_number(text):
        return _ALL_OTHERS
    if first == "0":
        return "0", length
    return (_ROUNDED, length) if length == KEPT_DIGITS + 1 and lost_digits(text) else length


def _are_few(odd: Iterable[_Group], usual: Iterable[_Group]) -> bool:
    count, others = _count(odd), _count(usual)
    return 0 < count <= FEW and (count * SHARE < count + others or count == 1 < others)


def _count(groups: Iterable[_Group]) -> int:
    return sum(group.count for group in groups)
