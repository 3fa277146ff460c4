"""Numbers, times and states in words, the same everywhere."""

from __future__ import annotations

import time

from provisioning.attempt import Attempt, Bounds, Evidence, Outcome
from provisioning.errors import InvalidInputError
from provisioning.ledger import BatchStatus, SendingLimit
from provisioning.lifecycle import State
from provisioning.printable import printable
from provisioning.text import Text, joined, marked, plural, several

STATE_WORDS = {
    State.QUEUED: Text("queued"),
    State.CLAIMED: Text("claimed"),
    State.SENDING: Text("sending"),
    State.SUCCEEDED: Text("created"),
    State.DEAD: Text("dead"),
    State.IN_DOUBT: Text("in doubt"),
    State.CANCELLED: Text("cancelled"),
}

OUTCOME_WORDS = {
    Outcome.CREATED: Text("created"),
    Outcome.REJECTED: Text("rejected"),
    Outcome.DENIED: Text("denied"),
    Outcome.MISDIRECTED: Text("misdirected"),
    Outcome.UNPROCESSED: Text("unprocessed"),
    Outcome.FAILED: Text("failed"),
    Outcome.IN_DOUBT: Text("in doubt"),
}

STATE_STYLES = {
    State.SUCCEEDED: "green",
    State.DEAD: "red",
    State.IN_DOUBT: "yellow",
    State.CANCELLED: "dim",
}

_COUNTED = {
    State.QUEUED: several("{count:,} queued", "{count:,} queued"),
    State.CLAIMED: several("{count:,} claimed", "{count:,} claimed"),
    State.SENDING: several("{count:,} sending", "{count:,} sending"),
    State.SUCCEEDED: several("{count:,} created", "{count:,} created"),
    State.DEAD: several("{count:,} dead", "{count:,} dead"),
    State.IN_DOUBT: several("{count:,} in doubt", "{count:,} in doubt"),
    State.CANCELLED: several("{count:,} cancelled", "{count:,} cancelled"),
}

_AMOUNTS = {
    "accepted row": several("{count:,} accepted row", "{count:,} accepted rows"),
    "attempt": several("{count:,} attempt", "{count:,} attempts"),
    "batch": several("{count:,} batch", "{count:,} batches"),
    "check": several("{count:,} check", "{count:,} checks"),
    "data key": several("{count:,} data key", "{count:,} data keys"),
    "job": several("{count:,} job", "{count:,} jobs"),
    "more hold": several("{count:,} more hold", "{count:,} more holds"),
    "other": several("{count:,} other", "{count:,} others"),
    "page": several("{count:,} page", "{count:,} pages"),
    "POST": several("{count:,} POST", "{count:,} POSTs"),
    "problem": several("{count:,} problem", "{count:,} problems"),
    "row": several("{count:,} row", "{count:,} rows"),
    "warning": several("{count:,} warning", "{count:,} warnings"),
    "widget": several("{count:,} widget", "{count:,} widgets"),
    "worker": several("{count:,} worker", "{count:,} workers"),
}


def amount(count: int, noun: str) -> Text:
    """`1 row`, `2,000 rows`."""
    return plural(*_AMOUNTS[noun], count)


def jobs_in(state: State, count: int) -> Text:
    """`3 dead`; the number comes first in every language."""
    return plural(*_COUNTED[state], count)


def duration(seconds: float) -> Text:
    """`0.04 s`, `1.2 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 1:
        return Text("{seconds:.2f} s", seconds=seconds)
    if seconds < 10:
        return Text("{seconds:.1f} s", seconds=seconds)
    whole = round(seconds)
    if whole < 60:
        return Text("{seconds} s", seconds=whole)
    if whole < 3600:
        return Text("{minutes} min {seconds} s", minutes=whole // 60, seconds=whole % 60)
    return Text("{hours} h {minutes} min", hours=whole // 3600, minutes=whole % 3600 // 60)


def clock(at: float) -> str:
    """Local date and time, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


_MONTHS = tuple(
    map(Text, marked("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"))
)


def short_clock(at: float, now: float) -> Text:
    """Local time in twelve characters, as `ls` has it: `Nov 23 02:40`, or `Nov 23  2025` of another year."""
    recent = abs(now - at) < 300 * 24 * 3600
    local = time.localtime(at)
    return Text(
        "{month} {day:02} {time}",
        month=_MONTHS[local.tm_mon - 1],
        day=local.tm_mday,
        time=time.strftime("%H:%M" if recent else " %Y", local),
    )


def time_of_day(at: float) -> str:
    """Local time, to the second: for lines whose day is known."""
    return time.strftime("%H:%M:%S", time.localtime(at))


shown = printable
"""A foreign text on one line, safe for a terminal: unprintable characters are escaped."""


def limit_words(limit: SendingLimit, now: float) -> Text:
    """What limits sending, in words and numbers; `now` in Unix seconds."""
    if limit.kind == "outage":
        down = Text("the API is down") if limit.certain else Text("the API may be down")
        if limit.workers and limit.workers > 1:
            down = Text("{down} for {workers}", down=down, workers=amount(limit.workers, "worker"))
        return Text(
            "{down} since {time} ({cause}); next probe in {wait}",
            down=down,
            time=time_of_day(limit.since or now),
            cause=limit.cause,
            wait=duration(max(0.0, (limit.next_probe or now) - now)),
        )
    if limit.kind == "concurrency":
        most = Text(
            "{on}: at most {posts} at once", on=shown(limit.on), posts=amount(limit.at_once or 0, "POST")
        )
        if not limit.refused:
            return most
        return Text("{most}, {share:.0%} of the last answers were refusals", most=most, share=limit.refused)
    facts = {"name": shown(limit.on), "rate": Text("{rate:.3g}/s", rate=limit.per_second)}
    if limit.kind == "learned_rate":
        at = time_of_day(limit.since or now)
        return Text("credential {name}: {rate}, learned from 429s at {time}", **facts, time=at)
    return Text("credential {name}: {rate}, the configured pace", **facts)


def state_of(text: str) -> State:
    """
    A state as people write it: `in doubt`, `in-doubt`, `created` for succeeded.

    Raises: InvalidInputError that lists them.
    """
    word = text.strip().lower().replace("-", "_").replace(" ", "_")
    for state in State:
        if word in (state, str(STATE_WORDS[state]).replace(" ", "_")):
            return state
    names = ", ".join(State)
    raise InvalidInputError(
        Text("{text!r} is not a state", text=text), hint=Text("it is one of {names}", names=names)
    )


def answer(attempt: Attempt) -> Text:
    """The reply to a POST in words: `200 created`, `500 internal_error`, `no answer: read_timeout`."""
    cause = attempt.error or OUTCOME_WORDS[attempt.outcome]
    if attempt.evidence is Evidence.NOTHING_SENT:
        text = Text("not sent: {cause}", cause=cause)
    elif attempt.status is None:
        text = Text("no answer: {cause}", cause=cause)
    else:
        text = joined(" ", [str(attempt.status), "" if cause == f"http_{attempt.status}" else cause])
    return Text("{answer} (late)", answer=text) if attempt.late else text


def state_counts(status: BatchStatus) -> Text:
    """`1,200 created · 3 dead · 40 queued`: the states that are not empty."""
    parts = [jobs_in(state, count) for state, count in status.states.items() if count]
    return joined(" · ", parts) if parts else Text("no jobs")


def effect(bounds: Bounds) -> Text:
    """How many widgets the effect bounds allow, as a sentence."""
    if bounds == Bounds(0, 0):
        return Text("no widget exists")
    if bounds.exact:
        return plural("exactly {count:,} widget exists", "exactly {count:,} widgets exist", bounds.least)
    return Text("between {least:,} and {most:,} widgets exist", least=bounds.least, most=bounds.most)


def widgets(bounds: Bounds, jobs: int) -> Text:
    """The effect bounds of a batch as a sentence."""
    return Text("{effect} for {rows}", effect=effect(bounds), rows=amount(jobs, "row"))
