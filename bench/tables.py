"""Tables in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table: words to the left, numbers to the right."""
    return "\n".join(_lines(headers, rows))


def _lines(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(headers) + " |"
    numeric = [bool(rows) and all(re.match(r"[\d*]*\d", row[n]) for row in rows) for n in range(len(headers))]
    yield "| " + " | ".join("---:" if number else "---" for number in numeric) + " |"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
