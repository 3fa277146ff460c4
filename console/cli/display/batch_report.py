"""Batches for people: a summary of one, a list of all, and problems by cause."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from console.cli.display.tables import facts, indented, listing
from outcomes.causes import CauseCount, last_message
from outcomes.words import (
    STATE_STYLES,
    STATE_WORDS,
    amount,
    clock,
    duration,
    limit_words,
    short_clock,
    shown,
    widgets,
)
from provisioning.causes import advice
from provisioning.ledger import BatchStatus, Hold, JobRecord, SendingLimit, WorkerSign, is_felt
from provisioning.lifecycle import UNSETTLED, State


def show_batch(out: Console, status: BatchStatus) -> None:
    """A summary of a batch: states, causes, bounds, holds, what to do next."""
    title = Text(shown(status.full_name), style="bold")
    title.append(f"  {status.batch} · opened {clock(status.opened_at)}", style="dim not bold")
    out.print(title)
    table = facts(numbers=True)
    for state, count in status.states.items():
        if count or state is State.SUCCEEDED:
            word = Text(STATE_WORDS[state], style=STATE_STYLES.get(state, ""))
            table.add_row(f"{count:,}", word, _by_cause(status, state))
    out.print(indented(table))
    out.print(f"  {widgets(status.bounds, status.accepted)}")
    if not status.bounds.exact:
        out.print(
            Text("  (a 5xx or a lost answer may have created one; the outcome files mark the rows)", "dim")
        )
    if status.primary_changed_at:
        text = (
            f"Redis was restarted or replaced at {clock(status.primary_changed_at)} and may have lost writes:"
        )
        out.print(Text(f"  {text}", "yellow"))
        out.print(Text("  jobs of a worker that ended at the same time are not counted", "yellow"))
    seconds = (status.settled_at or status.opened_at) - status.opened_at
    took = f" · settled after {duration(seconds)}" if status.settled and status.settled_at else ""
    out.print(f"  {amount(status.attempts, 'attempt')}{took}")
    for hold in status.shown_holds:
        out.print(Text(f"  {held_since(hold)}", style="yellow"), soft_wrap=True)
    if more := len(status.holds) - len(status.shown_holds):
        out.print(Text(f"  and {amount(more, 'more hold')}", style="yellow"))
    for state, verb in ((State.DEAD, "dead-letters"), (State.IN_DOUBT, "in-doubt")):
        if status.states[state]:
            out.print(f"  why {STATE_WORDS[state]}: provision {verb} {word_of(status)}", soft_wrap=True)


def _by_cause(status: BatchStatus, state: State) -> str:
    causes = status.causes.get(str(state), {})
    return ", ".join(
        f"{count:,} {cause}" for cause, count in sorted(causes.items(), key=lambda each: -each[1])
    )


def held(hold: Hold, batch: str = "this batch") -> str:
    """A hold and its reason: `credential acme paused by ana`, `brake on credential acme: refused`."""
    why = _why(hold)
    return f"{_held_thing(hold, batch)}{f': {why}' if why else f' by {shown(hold.by)}'}"


def held_since(hold: Hold) -> str:
    """The same with time and name: `credential acme paused since Nov 23 02:40:07 by ana`."""
    why = _why(hold)
    text = f"{_held_thing(hold, 'this batch')} since {clock(hold.at)} by {shown(hold.by)}"
    return f"{text}: {why}" if why else text


def _held_thing(hold: Hold, batch: str) -> str:
    kind, _, name = hold.scope.partition(":")
    things = {"all": "everything", "batch": batch, "target": f"the API at {shown(name)}"}
    thing = things.get(kind, f"{kind} {shown(name)}")
    return f"brake on {thing}" if hold.kind == "brake" else f"{thing} paused"


def _why(hold: Hold) -> str:
    """The reason of a hold; empty for a pause that only repeats its actor."""
    return "" if hold.why in ("", f"paused by {hold.by}") else shown(hold.why)


def word_of(status: BatchStatus) -> str:
    """A batch in a command to paste: its name if a shell needs no quotes for it, else its id."""
    name = status.full_name
    plain = re.fullmatch(r"[\w./]+[\w./-]*", name)
    return name if plain else status.batch


def show_batches(out: Console, batches: Iterable[BatchStatus]) -> None:
    """All batches, one a line."""
    batches = list(batches)
    ends = [State.SUCCEEDED, State.DEAD, State.IN_DOUBT]
    if any(status.states[State.CANCELLED] for status in batches):
        ends.append(State.CANCELLED)
    numbers = ("rows", *(STATE_WORDS[state] for state in ends))
    # Eighty columns have room for all end states or the time, and the lines are in order of time.
    opened = ("opened",) if len(ends) < 4 or out.width >= 100 else ()
    table = listing("batch", "name", *opened, *numbers, "", wraps=("name",), numbers=numbers)
    for status in batches:
        table.add_row(
            status.batch,
            shown(status.full_name),
            *(short_clock(status.opened_at, time.time()) for _ in opened),
            f"{status.accepted:,}",
            *(f"{status.states[state]:,}" for state in ends),
            _stand(status),
        )
    if table.row_count:
        out.print(table)
    else:
        out.print("no batches yet")


def show_workers(out: Console, workers: list[WorkerSign]) -> None:
    """What the workers are doing, together."""
    if workers:
        in_flight = sum(worker.in_flight for worker in workers)
        in_hand = sum(worker.in_hand for worker in workers)
        out.print(f"{amount(len(workers), 'worker')}: {in_flight:,} in flight, {in_hand:,} jobs claimed")


def show_limits(out: Console, limits: Sequence[SendingLimit]) -> None:
    """What limits sending now; limits caused by the API are highlighted."""
    for limit in limits:
        style = "yellow" if is_felt(limit) else "dim"
        out.print(Text(f"  {limit_words(limit, time.time())}", style=style), soft_wrap=True)


def _stand(status: BatchStatus) -> str:
    left = sum(status.states[state] for state in UNSETTLED)
    if not left:
        return "settled"
    return f"held, {left:,} left" if status.holds else f"{left:,} left"


def show_causes(out: Console, causes: list[CauseCount], state: State) -> None:
    """Dead letters or doubts of batches, grouped by cause: how many, since when, what to do about each."""
    if not causes:
        out.print(f"nothing is {STATE_WORDS[state]}")
        return
    table = listing(
        "batch", "jobs", "cause", "for example", wraps=("batch", "for example"), numbers=("jobs",)
    )
    for each in causes:
        name, count = shown(each.status.full_name), f"{each.group.count:,}"
        table.add_row(name, count, each.group.cause, _example(each.example))
    out.print(table)
    out.print()
    for cause in dict.fromkeys(each.group.cause for each in causes):
        same = [each.group for each in causes if each.group.cause == cause]
        span = _span(min(group.first for group in same), max(group.last for group in same))
        out.print(f"{cause}, {span}: {advice(cause)}", soft_wrap=True)
    risky = sum(each.group.risky for each in causes)
    if state is State.DEAD and risky:
        out.print(f"{risky:,} of these may have a widget; redrive skips them unless you accept a second one")
    batch, cause = word_of(causes[0].status), causes[0].group.cause
    ways = {
        State.DEAD: (
            f"list them:        provision jobs {batch} --state dead --reason {cause}",
            f"fix and resend:   provision export {batch}; then apply its failed.csv",
            f"resend as is:     provision redrive {batch} --reason {cause}",
        ),
        State.IN_DOUBT: (
            f"list them:    provision jobs {batch} --state in_doubt --reason {cause}",
            "settle one:   provision resolve JOB --created, or --absent to send it again",
            f"settle many:  provision reconcile {batch} --seen FILE --match bot.id",
        ),
    }
    for way in ("", *ways.get(state, ())):
        out.print(Text(way, style="dim"), soft_wrap=True)


def _span(first: float, last: float) -> str:
    """`Nov 23 02:40` or `Nov 23 02:40 to Nov 23 02:55`, to the minute."""
    begin, end = (short_clock(at, time.time()) for at in (first, last))
    return begin if begin == end else f"{begin} to {end}"


def _example(job: JobRecord) -> str:
    text = last_message(job)
    return f"{job.job_id}: {shown(text)}" if text else job.job_id
