"""The history of a batch: bars of a chart, which a template draws as SVG; the present rate, the time left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from provisioning.ledger.records import BatchStatus, Span
from provisioning.lifecycle import UNSETTLED, State

MOST: Final = 60
"""Bars of a chart."""

HEIGHT: Final = 100
"""Units of the tallest bar."""

RECENT: Final = 60.0
"""Seconds that count for the present rate: the history is kept by the minute."""

SURE: Final = 5.0
"""Seconds of a minute after which its count says something."""

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


def rate_of(spans: Sequence[Span], now: float) -> float:
    """
    Jobs that end a second: in the minute that runs, or in the one before if more did; 0 if none did.

    Args:
        now: Unix seconds.
    """
    recent = [span for span in spans if span.at + span.seconds > now - RECENT]
    rates = [
        sum(span.ended.get(state, 0) for state in SHOWN) / min(max(now - span.at, SURE), span.seconds)
        for span in recent
    ]
    return max(rates, default=0.0)


def seconds_left(status: BatchStatus, rate: float) -> float | None:
    """Seconds until every job has ended at this rate; None if that cannot be told."""
    left = sum(status.states[state] for state in UNSETTLED)
    return left / rate if left and rate > 0 and not status.holds else None
