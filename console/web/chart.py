"""The history of a batch as bars of a chart, drawn by the template as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from provisioning.ledger.records import Span
from provisioning.lifecycle import State

MOST: Final = 60
"""Bars of a chart."""

HEIGHT: Final = 100
"""Units of the tallest bar."""

SHOWN: Final = (State.SUCCEEDED, State.IN_DOUBT, State.DEAD)
"""States of a bar, from below."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a bar; places in units of the chart."""

    state: State
    count: int
    top: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """What a stretch of time came to."""

    at: float
    seconds: int
    pieces: list[Piece]


def bars(spans: Sequence[Span]) -> list[Bar]:
    """
    A bar for each stretch of time in which jobs ended, `MOST` at most; stretches without any are left out.

    Args:
        spans: as `Queries.history` has them, oldest first.
    """
    ended = [span for span in spans if any(span.ended.get(state, 0) for state in SHOWN)]
    size = -(-len(ended) // MOST) if ended else 1
    groups = [ended[start : start + size] for start in range(0, len(ended), size)]
    counts = [{state: sum(span.ended.get(state, 0) for span in group) for state in SHOWN} for group in groups]
    tallest = max((sum(count.values()) for count in counts), default=1)
    found = []
    for group, count in zip(groups, counts, strict=True):
        pieces, below = [], 0.0
        for state in SHOWN:
            if count[state]:
                height = HEIGHT * count[state] / tallest
                pieces.append(Piece(state, count[state], round(HEIGHT - below - height, 2), round(height, 2)))
                below += height
        last = group[-1]
        found.append(Bar(group[0].at, round(last.at + last.seconds - group[0].at), pieces))
    return found
