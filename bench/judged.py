"""A goal with what was measured beside it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Judged:
    """
    One goal.

    Attributes:
        wanted, measured: in words; `measured` says beside what.
        met: None if a run that it needs is missing.
    """

    goal: str
    wanted: str
    measured: str
    met: bool | None
