"""Batches for people: a summary of one, a list of all, and problems by cause."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text as StyledText

from console.cli.display.tables import facts, indented, listing, show_ways
from console.cli.language import number, tr
from outcomes.causes import CauseCount, last_message
from outcomes.words import (
    STATE_STYLES,
    STATE_WORDS,
    amount,
    clock,
    duration,
    jobs_in,
    limit_words,
    short_clock,
    shown,
    widgets,
)
from provisioning.causes import explained
from provisioning.ledger import BatchStatus, Hold, JobRecord, SendingLimit, WorkerSign, is_felt
from provisioning.ledger.first_few import first_were_sent
from provisioning.lifecycle import UNSETTLED, State
from provisioning.text import AnyText, Text, marked


def show_batch(out: Console, status: BatchStatus) -> None:
    """A summary of a batch: states, causes, bounds, holds, what to do next."""
    title = StyledText(shown(status.full_name), style="bold")
    opened = tr("opened {time}", time=clock(status.opened_at))
    title.append(f"  {status.batch} · {opened}", style="dim not bold")
    out.print(title)
    table = facts(numbers=True)
    for state, count in status.states.items():
        if count or state is State.SUCCEEDED:
            amount_of, _, words = tr(jobs_in(state, count)).partition(" ")
            word = StyledText(words, style=STATE_STYLES.get(state, ""))
            table.add_row(amount_of, word, _by_cause(status, state))
    out.print(indented(table))
    out.print(f"  {tr(widgets(status.bounds, status.accepted))}")
    if not status.bounds.exact:
        why = tr("(a 5xx or a lost answer may have created one; the outcome files mark the rows)")
        out.print(StyledText(f"  {why}", "dim"))
    if status.primary_changed_at:
        lost = tr(
            "Redis was restarted or replaced at {time} and may have lost writes:",
            time=clock(status.primary_changed_at),
        )
        out.print(StyledText(f"  {lost}", "yellow"))
        besides = tr("jobs of a worker that ended at the same time are not counted")
        out.print(StyledText(f"  {besides}", "yellow"))
    seconds = (status.settled_at or status.opened_at) - status.opened_at
    settled = status.settled and status.settled_at
    took = " · " + tr("settled after {time}", time=duration(seconds)) if settled else ""
    out.print(f"  {tr(amount(status.attempts, 'attempt'))}{took}")
    if status.first is not None:
        last = f"{status.batch}.{status.first}"
        out.print("  " + tr("the jobs up to {job} are sent; then the batch is paused", job=last))
    for hold in status.shown_holds:
        out.print(StyledText(f"  {held_since(hold)}", style="yellow"), soft_wrap=True)
        if hold.first:
            command = f"provision resume {word_of(status)}"
            out.print("  " + tr("to send the rest: {command}", command=command), soft_wrap=True)
    if more := len(status.holds) - len(status.shown_holds):
        out.print(StyledText("  " + tr("and {holds}", holds=amount(more, "more hold")), style="yellow"))
    for state, heading, verb in (
        (State.DEAD, Text("why dead:"), "dead-letters"),
        (State.IN_DOUBT, Text("why in doubt:"), "in-doubt"),
    ):
        if status.states[state]:
            out.print(f"  {tr(heading)} provision {verb} {word_of(status)}", soft_wrap=True)


def _by_cause(status: BatchStatus, state: State) -> str:
    causes = status.causes.get(str(state), {})
    return ", ".join(
        f"{number(count)} {cause}" for cause, count in sorted(causes.items(), key=lambda each: -each[1])
    )


THIS_BATCH = Text("this batch")


def held(hold: Hold, batch: AnyText = THIS_BATCH) -> Text:
    """A hold and its reason: `credential acme paused by ana`, `brake on credential acme: refused`."""
    why = _why(hold)
    thing = _held_thing(hold, batch)
    return (
        Text("{hold}: {why}", hold=thing, why=why)
        if why
        else Text("{hold} by {by}", hold=thing, by=shown(hold.by))
    )


def held_since(hold: Hold) -> str:
    """The same with time and name: `credential acme paused since Nov 23 02:40:07 by ana`."""
    why = _why(hold)
    text = tr(
        "{hold} since {time} by {by}",
        hold=_held_thing(hold, THIS_BATCH),
        time=clock(hold.at),
        by=shown(hold.by),
    )
    return f"{text}: {why}" if why else text


def _held_thing(hold: Hold, batch: AnyText) -> Text:
    kind, _, name = hold.scope.partition(":")
    things: dict[str, AnyText] = {
        "all": Text("everything"),
        "batch": batch,
        "target": Text("the API at {address}", address=shown(name)),
        "credential": Text("credential {name}", name=shown(name)),
    }
    thing = things.get(kind, hold.scope)
    if hold.kind == "brake":
        return Text("brake on {thing}", thing=thing)
    return Text("{thing} paused", thing=thing)


def _why(hold: Hold) -> str:
    """The reason of a hold; empty for a pause that only repeats its actor."""
    if hold.first:
        return tr(first_were_sent(hold.first))
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
    numbers = (*marked("rows"), *(str(STATE_WORDS[state]) for state in ends))
    # Eighty columns have room for all end states or the time, and the lines are in order of time.
    opened = marked("opened") if len(ends) < 4 or out.width >= 100 else ()
    table = listing(*marked("batch", "name"), *opened, *numbers, "", wraps=("name",), numbers=numbers)
    for status in batches:
        table.add_row(
            status.batch,
            shown(status.full_name),
            *(tr(short_clock(status.opened_at, time.time())) for _ in opened),
            number(status.accepted),
            *(number(status.states[state]) for state in ends),
            _stand(status),
        )
    if table.row_count:
        out.print(table)
    else:
        out.print(tr("no batches yet"))


def show_workers(out: Console, workers: list[WorkerSign]) -> None:
    """What the workers are doing, together."""
    if workers:
        in_flight = sum(worker.in_flight for worker in workers)
        in_hand = sum(worker.in_hand for worker in workers)
        out.print(
            tr(
                "{workers}: {in_flight:,} in flight, {in_hand:,} jobs claimed",
                workers=amount(len(workers), "worker"),
                in_flight=in_flight,
                in_hand=in_hand,
            )
        )


def show_limits(out: Console, limits: Sequence[SendingLimit]) -> None:
    """What limits sending now; limits caused by the API are highlighted."""
    for limit in limits:
        style = "yellow" if is_felt(limit) else "dim"
        out.print(StyledText(f"  {tr(limit_words(limit, time.time()))}", style=style), soft_wrap=True)


def _stand(status: BatchStatus) -> str:
    left = sum(status.states[state] for state in UNSETTLED)
    if not left:
        return tr("settled")
    return tr("held, {count:,} left", count=left) if status.holds else tr("{count:,} left", count=left)


def show_causes(out: Console, causes: list[CauseCount], state: State) -> None:
    """Dead letters or doubts of batches, grouped by cause: how many, since when, what to do about each."""
    if not causes:
        out.print(tr("nothing is dead") if state is State.DEAD else tr("nothing is in doubt"))
        return
    table = listing(
        *marked("batch", "jobs", "cause", "for example"),
        wraps=("batch", "for example"),
        numbers=("jobs",),
    )
    for each in causes:
        name, count = shown(each.status.full_name), number(each.group.count)
        table.add_row(name, count, each.group.cause, _example(each.example))
    out.print(table)
    out.print()
    for cause in dict.fromkeys(each.group.cause for each in causes):
        same = [each.group for each in causes if each.group.cause == cause]
        span = _span(min(group.first for group in same), max(group.last for group in same))
        out.print(f"{cause}, {span}: {_advice(cause)}", soft_wrap=True)
    risky = sum(each.group.risky for each in causes)
    if state is State.DEAD and risky:
        out.print(
            tr(
                "{count:,} of these may have a widget; redrive skips them unless you accept a second one",
                count=risky,
            )
        )
    batch, cause = word_of(causes[0].status), causes[0].group.cause
    ways = {
        State.DEAD: (
            (Text("list them:"), f"provision jobs {batch} --state dead --reason {cause}"),
            (
                Text("fix and resend:"),
                tr("{export}; then apply its failed.csv", export=f"provision export {batch}"),
            ),
            (Text("resend as is:"), f"provision redrive {batch} --reason {cause}"),
        ),
        State.IN_DOUBT: (
            (Text("list them:"), f"provision jobs {batch} --state in_doubt --reason {cause}"),
            (
                Text("settle one:"),
                tr("{resolve}, or --absent to send it again", resolve="provision resolve JOB --created"),
            ),
            (
                Text("settle many:"),
                f"provision reconcile {batch} --seen FILE --match bot.id",
            ),
        ),
    }
    out.print()
    show_ways(out, *((tr(purpose), command) for purpose, command in ways[state]), style="dim")


def _advice(cause: str) -> str:
    """The sentences of the advice in the language of the command line, each translated by itself."""
    return " ".join(map(tr, explained(cause).advice.in_terminal))


def _span(first: float, last: float) -> str:
    """`Nov 23 02:40` or `Nov 23 02:40 to Nov 23 02:55`, to the minute."""
    begin, end = (tr(short_clock(at, time.time())) for at in (first, last))
    return begin if begin == end else tr("{begin} to {end}", begin=begin, end=end)


def _example(job: JobRecord) -> str:
    text = last_message(job)
    return f"{job.job_id}: {shown(text)}" if text else job.job_id
