"""History for people: a batch over time, and the audit."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from console.cli.display.tables import listing
from console.cli.language import number, tr
from outcomes.words import clock, shown
from provisioning.ledger import Act, Span
from provisioning.lifecycle import State
from provisioning.text import marked

LINES = 40
"""Most lines of a history: as many as a screen shows."""

STEPS = (1, 5, 15, 60, 6 * 60, 24 * 60)
"""Minutes that one line may cover."""


def minutes_a_line(spans: Sequence[Span]) -> int:
    """The fewest minutes per line with which a history fits on a screen; a day if none does."""
    for minutes in STEPS:
        if len({span.at // (60 * minutes) for span in spans}) <= LINES:
            return minutes
    return STEPS[-1]


def show_history(out: Console, spans: Sequence[Span]) -> None:
    """Throughput and outcomes, one line per span of time."""
    if not spans:
        out.print(tr("nothing has happened yet"))
        return
    numbers = marked("attempts", "created", "dead", "in doubt", "cancelled", "per second")
    table = listing(*marked("from"), *numbers, numbers=numbers)
    for span in spans:
        ends = [span.ended.get(state, 0) for state in _ENDS]
        table.add_row(
            clock(span.at)[:16],
            *(number(count) if count else "" for count in (span.attempts, *ends)),
            tr("{rate:,.1f}", rate=sum(ends) / span.seconds),
        )
    out.print(table)


_ENDS = (State.SUCCEEDED, State.DEAD, State.IN_DOUBT, State.CANCELLED)


def show_audit(out: Console, acts: Sequence[Act]) -> None:
    """Actions of people, one per line."""
    if not acts:
        out.print(tr("nothing recorded yet"))
        return
    wordy = marked("by", "on", "why", "result")
    table = listing(*marked("when", "act"), *wordy, wraps=wordy)
    for act in acts:
        facts = ", ".join(_fact(name, value) for name, value in act.facts.items())
        table.add_row(
            clock(act.at), shown(act.act), shown(act.by), shown(act.on), shown(act.why), shown(facts)
        )
    out.print(table)


_TIMES = ("since", "until")


def _fact(name: str, value: object) -> str:
    """
    A fact of an act in words.

    >>> _fact("queued", 3)
    'queued 3'
    """
    if name in _TIMES and isinstance(value, int | float):
        return f"{name} {clock(value)}"
    return f"{name} {value}"
