"""
Which row of a table holds the headers: the first, or one below a title.

Pure. The rule: the first row that is not blank is the header, unless it holds hardly a header that is known
and one of the next rows does. What stands above that one is passed over, with a note, if it is no more than
one filled cell a row, as titles are; if it is more, the table is refused and the row named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from producers.files.body import quoted
from provisioning.errors import InvalidInputError
from provisioning.text import Text, plural

SEARCHED = 20
"""Rows in which headers are looked for."""


@dataclass(frozen=True, slots=True)
class HeaderRule:
    """
    What the headers of a table look like.

    Attributes:
        familiar: tells a header that is known, spelled rightly or nearly.
        certain: tells that these cells are the headers and nothing else.
    """

    familiar: Callable[[str], bool]
    certain: Callable[[Sequence[str]], bool]

    def likely(self, cells: Sequence[str]) -> bool:
        """Whether these cells are headers: surely, or because several of them are familiar."""
        bare = [cell.strip() for cell in cells]
        return self.certain(bare) or sum(map(self.familiar, filter(None, bare))) > 1


def passed_over(above: Sequence[tuple[int, Sequence[str]]], number: int) -> list[Text]:
    """
    The note about rows that stand above the headers; none if these are blank.

    Args:
        above: number and cells of each.
        number: of the row with the headers.

    Raises: InvalidInputError if one of them is more than a title.
    """
    for row, cells in above:
        if sum(1 for cell in cells if cell.strip()) > 1:
            raise InvalidInputError(
                Text(
                    "row {row} holds no headers that are known; those seem to be in row {number}",
                    row=row,
                    number=number,
                ),
                hint=Text("the headers come first: delete what stands above row {number}", number=number),
            )
    titles = [(row, cell.strip()) for row, cells in above for cell in cells if cell.strip()]
    if not titles:
        return []
    row, title = titles[0]
    return [
        plural(
            "the headers are in row {number}; row {row} was passed over above them: {title}",
            "the headers are in row {number}; {count} rows were passed over above them: {title}",
            len(titles),
            number=number,
            row=row,
            title=quoted(title),
        )
    ]
