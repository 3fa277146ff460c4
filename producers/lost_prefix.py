"""
A guess over a whole column: some ids lost the `+` or the zero that they began with.

No single cell can tell: `593987654321` is a fine id. But if other ids of the file are `+593987654321` and as
long but for the sign, a spreadsheet has probably been at work.
"""

from __future__ import annotations


class LostPrefix:
    """What lengths of ids were seen with and without a leading `+` or `0`."""

    def __init__(self) -> None:
        self._prefixed: dict[tuple[str, int], int] = {}
        self._bare: dict[int, tuple[int, int]] = {}

    def see(self, text: str, row: int) -> None:
        """Take note of one id, as it stands in its cell."""
        text = text.strip().removeprefix("'")
        first = text[:1]
        if first in ("+", "0"):
            if text[1:].isdigit():
                self._prefixed.setdefault((first, len(text)), row)
        elif text.isdigit():
            count, first_row = self._bare.get(len(text), (0, row))
            self._bare[len(text)] = (count + 1, first_row)

    def note(self) -> str | None:
        """What a person should look at; None if nothing looks lost."""
        for (prefix, length), row in self._prefixed.items():
            count, first_row = self._bare.get(length - 1, (0, 0))
            if count:
                return (
                    f"some bot ids begin with {prefix!r} (row {row}), and {count:,} that do not are one "
                    f"character shorter (first in row {first_row}): did a spreadsheet drop the {prefix!r}? "
                    "they are sent as they stand"
                )
        return None
