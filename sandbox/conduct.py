"""
What the sandbox does with one request: correct and faulty deliveries. `wire` executes them.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.contract import Answer


@dataclass(frozen=True, slots=True)
class Whole:
    """The answer, as a well-behaved server sends it."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Truncated:
    """The answer's head and half of its body, then an orderly close."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Dribbled:
    """The whole answer, its body spread over `seconds`."""

    answer: Answer
    seconds: float


@dataclass(frozen=True, slots=True)
class HalfStatusLine:
    """A few bytes of a status line, then an orderly close."""


@dataclass(frozen=True, slots=True)
class Closed:
    """An orderly close (FIN) without a byte of an answer."""


@dataclass(frozen=True, slots=True)
class Reset:
    """A connection reset (RST) without a byte of an answer."""


@dataclass(frozen=True, slots=True)
class Stalled:
    """Silence for `seconds`, then an orderly close."""

    seconds: float


Conduct = Whole | Truncated | Dribbled | HalfStatusLine | Closed | Reset | Stalled


def status_of(conduct: Conduct) -> str:
    """The HTTP status that reaches the client, `none` if no complete status line does."""
    if isinstance(conduct, Whole | Truncated | Dribbled):
        return str(conduct.answer.status)
    return "none"
