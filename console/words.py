"""Numbers, times and states in words, the same everywhere."""

from __future__ import annotations

import time

from provisioning.attempt import Bounds
from provisioning.ledger import BatchStatus
from provisioning.lifecycle import State

STATE_WORDS = {
    State.QUEUED: "queued",
    State.CLAIMED: "claimed",
    State.SENDING: "sending",
    State.SUCCEEDED: "created",
    State.DEAD: "dead",
    State.IN_DOUBT: "in doubt",
    State.CANCELLED: "cancelled",
}

STATE_STYLES = {
    State.SUCCEEDED: "green",
    State.DEAD: "red",
    State.IN_DOUBT: "yellow",
    State.CANCELLED: "dim",
}


def amount(count: int, noun: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def clock(at: float) -> str:
    """Local date and time, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def state_counts(status: BatchStatus) -> str:
    """`1,200 created · 3 dead · 40 queued`: the states that are not empty."""
    parts = [f"{count:,} {STATE_WORDS[state]}" for state, count in status.states.items() if count]
    return " · ".join(parts) or "no jobs"


def widgets(bounds: Bounds, jobs: int) -> str:
    """The effect bounds of a batch as a sentence."""
    if bounds.exact:
        verb = "exists" if bounds.least == 1 else "exist"
        return f"exactly {amount(bounds.least, 'widget')} {verb} for {amount(jobs, 'row')}"
    return f"between {bounds.least:,} and {bounds.most:,} widgets exist for {amount(jobs, 'row')}"
