"""Values that the API takes as they stand but does not document: named before widgets are made with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from console.web.render import _N
from console.web.widget_drawing import Unseen, drawing_of
from provisioning.errors import InvalidJobError
from provisioning.job import NewJob
from provisioning.text import Text

LOOKED_AT: Final = 5000
"""Jobs of a file that are looked at: what is wrong in a column is wrong early."""

ODD: Final = frozenset(
    (Unseen.NO_COLOUR, Unseen.NO_CORNER, Unseen.NO_TYPE, Unseen.NO_FLAG, Unseen.NO_PERCENTAGE)
)
"""Why a member is not drawn that a person should know before a widget is made."""

SHOWN: Final = 20
"""Values that are named, the most frequent first."""


class Looks:
    """Counts the odd values of the jobs that pass through."""

    def __init__(self) -> None:
        self._left = LOOKED_AT
        self._odd: Counter[tuple[str, str]] = Counter()

    def through(self, reading: Iterable[NewJob | InvalidJobError]) -> Iterator[NewJob | InvalidJobError]:
        """The same items."""
        for item in reading:
            if self._left and isinstance(item, NewJob):
                self._left -= 1
                for remark in drawing_of(item.body, "").remarks:
                    if remark.why in ODD:
                        self._odd[remark.path, remark.value] += 1
            yield item

    def notes(self) -> list[Text]:
        """A note for each odd value."""
        return [
            Text(
                _N(
                    "{rows:,} rows have {value!r} in {member}: the API documents no such value, and gets it"
                    " as it stands"
                ),
                rows=rows,
                value=value,
                member=member,
            )
            for (member, value), rows in self._odd.most_common(SHOWN)
        ]
