"""
The sums of the numbers above a row and the counts of the rows, as spreadsheets write them below a column.

Pure. A total is that of all rows above, of those since the last total, or, where totals were summed up with
the rest, of both. A spreadsheet shows eleven digits of a number and keeps fifteen, so a sum is known by ten.
A count is known only where each number above is far greater: of `1`, `2`, `3` any may be one by chance.
"""

from __future__ import annotations

_KNOWN_BY = 10**10

_FAR_GREATER = 100
"""Times that each number above is greater than a count at least."""


class SumsAbove:
    """The sums as far as rows were added, one at a time, from the top."""

    __slots__ = (
        "_count",
        "_count_before",
        "_least",
        "_rows",
        "_rows_before",
        "_since",
        "_sum_before",
        "_totals_before",
        "_with_totals_before",
    )

    def __init__(self) -> None:
        self._since = self._count = self._rows = 0
        # Of the rows down to the last total.
        self._sum_before = self._with_totals_before = self._count_before = 0
        self._rows_before = self._totals_before = 0
        self._least: int | None = None

    def add(self, number: int | None) -> None:
        """A row has this number, or a text."""
        self._rows += 1
        if number is not None:
            self._since += number
            self._count += 1
            if self._least is None or number < self._least:
                self._least = number

    def add_total(self, number: int | None) -> None:
        """A row is a total and shows this number, or none."""
        self._sum_before += self._since
        self._with_totals_before += self._since + (number or 0)
        self._count_before += self._count
        self._rows_before += self._rows
        self._totals_before += 1
        self._since = self._count = self._rows = 0

    def is_count(self, number: int, *, of: int = 1) -> bool:
        """
        Whether a number is the count of the rows, and no number above is of its kind.

        Args:
            of: how many rows it must be the count of, at least.

        >>> sums = SumsAbove()
        >>> sums.add(593900000001), sums.add(None)
        (None, None)
        >>> sums.is_count(2), sums.is_count(3), sums.is_count(2, of=3)
        (True, False, False)
        """
        if number < of or (self._least is not None and number * _FAR_GREATER > self._least):
            return False
        every = self._rows_before + self._rows
        return number in (self._rows, every, every + self._totals_before)

    def is_sum(self, number: int, *, of: int = 1) -> bool:
        """
        Whether a number is one of the sums.

        Args:
            of: how many numbers it must be the sum of, at least.

        >>> sums = SumsAbove()
        >>> sums.add(593900000001), sums.add(593900000002)
        (None, None)
        >>> sums.is_sum(1187800000003), sums.is_sum(1187800000000), sums.is_sum(593900000002)
        (True, True, False)
        """
        since, count = self._since, self._count
        if number * 2 < since:
            return False  # as nearly every number; the other sums are greater still
        return (count >= of and _are_one(number, since)) or (
            self._count_before + count >= of
            and (
                _are_one(number, self._sum_before + since)
                or _are_one(number, self._with_totals_before + since)
            )
        )


def _are_one(number: int, total: int) -> bool:
    return total > 0 and abs(number - total) * _KNOWN_BY <= total
