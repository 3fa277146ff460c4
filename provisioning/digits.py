"""
Numbers as protocols write them: with the digits 0 to 9.

`str.isdigit` and `\\d` also take `²` and `٣` for digits. `int` then fails on the first, and reads the second.
"""

from __future__ import annotations


def is_whole_number(text: str) -> bool:
    """
    Whether a text consists of the digits 0 to 9, and of one at least.

    >>> [is_whole_number(text) for text in ("30", "0", "", "-1", "²", "٣")]
    [True, True, False, False, False, False]
    """
    return text.isascii() and text.isdigit()
