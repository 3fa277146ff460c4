"""Numbers, times and states in words, the same everywhere."""

from __future__ import annotations

import time

from provisioning.attempt import Attempt, Bounds, Evidence
from provisioning.errors import InvalidInputError
from provisioning.ledger import BatchStatus, SendingLimit
from provisioning.lifecycle import State
from provisioning.printable import printable

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
    """`0.04 s`, `1.2 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 1:
        return f"{seconds:.2f} s"
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


def short_clock(at: float, now: float) -> str:
    """Local time in twelve characters, as `ls` has it: `Nov 23 02:40`, or `Nov 23  2025` of another year."""
    recent = abs(now - at) < 300 * 24 * 3600
    return time.strftime("%b %d %H:%M" if recent else "%b %d  %Y", time.localtime(at))


def time_of_day(at: float) -> str:
    """Local time, to the second: for lines whose day is known."""
    return time.strftime("%H:%M:%S", time.localtime(at))


shown = printable
"""A foreign text on one line, safe for a terminal: unprintable characters are escaped."""


def limit_words(limit: SendingLimit, now: float) -> str:
    """What limits sending, in words and numbers; `now` in Unix seconds."""
    if limit.kind == "outage":
        word = "is down" if limit.certain else "may be down"
        of = f" for {amount(limit.workers, 'worker')}" if limit.workers and limit.workers > 1 else ""
        wait = max(0.0, (limit.next_probe or now) - now)
        return (
            f"the API {word}{of} since {time_of_day(limit.since or now)} ({limit.cause});"
            f" next probe in {duration(wait)}"
        )
    if limit.kind == "concurrency":
        refused = f", {limit.refused:.0%} of the last answers were refusals" if limit.refused else ""
        return f"{shown(limit.on)}: at most {amount(limit.at_once or 0, 'POST')} at once{refused}"
    rate = f"{limit.per_second:.3g}/s"
    if limit.kind == "learned_rate":
        return f"credential {shown(limit.on)}: {rate}, learned from 429s at {time_of_day(limit.since or now)}"
    return f"credential {shown(limit.on)}: {rate}, the configured pace"


def state_of(text: str) -> State:
    """
    A state as people write it: `in doubt`, `in-doubt`, `created` for succeeded.

    Raises: InvalidInputError that lists them.
    """
    word = text.strip().lower().replace("-", "_").replace(" ", "_")
    for state in State:
        if word in (state, STATE_WORDS[state].replace(" ", "_")):
            return state
    names = ", ".join(State)
    raise InvalidInputError(f"{text!r} is not a state", hint=f"it is one of {names}")


def answer(attempt: Attempt) -> str:
    """The reply to a POST in words: `200 created`, `500 internal_error`, `no answer: read_timeout`."""
    cause = attempt.error or attempt.outcome.replace("_", " ")
    if attempt.evidence is Evidence.NOTHING_SENT:
        text = f"not sent: {cause}"
    elif attempt.status is None:
        text = f"no answer: {cause}"
    else:
        text = f"{attempt.status} {'' if cause == f'http_{attempt.status}' else cause}".rstrip()
    return f"{text} (late)" if attempt.late else text


def state_counts(status: BatchStatus) -> str:
    """`1,200 created · 3 dead · 40 queued`: the states that are not empty."""
    parts = [f"{count:,} {STATE_WORDS[state]}" for state, count in status.states.items() if count]
    return " · ".join(parts) or "no jobs"


def widgets(bounds: Bounds, jobs: int) -> str:
    """The effect bounds of a batch as a sentence."""
    if bounds == Bounds(0, 0):
        return f"no widget exists for {amount(jobs, 'row')}"
    if bounds.exact:
        verb = "exists" if bounds.least == 1 else "exist"
        return f"exactly {amount(bounds.least, 'widget')} {verb} for {amount(jobs, 'row')}"
    return f"between {bounds.least:,} and {bounds.most:,} widgets exist for {amount(jobs, 'row')}"
