"""
The sums of the numbers above a row, as spreadsheets write them below a column.

Pure. A total is that of all rows above, of those since the last total, or, where totals were summed up with
the rest, of both. A spreadsheet shows eleven digits of a number and keeps fifteen, so a sum is known by ten.
"""

from __future__ import annotations

_KNOWN_BY = 10**10


class SumsAbove:
    """The sums as far as rows were added, one at a time, from the top."""

    __slots__ = ("_count", "_count_before", "_since", "_sum_before", "_with_totals_before")

    def __init__(self) -> None:
        self._since = self._count = 0
        # Of the rows down to the last total.
        self._sum_before = self._with_totals_before = self._count_before = 0

    def add(self, number: int) -> None:
        """A row has this number."""
        self._since += number
        self._count += 1

    def add_total(self, number: int) -> None:
        """A row is a total and shows this number."""
        self._sum_before += self._since
        self._with_totals_before += self._since + number
        self._count_before += self._count
        self._since = self._count = 0

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
