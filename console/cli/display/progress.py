"""Progress of long work: a live line on a terminal, plain lines elsewhere, events with `--json`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol, Self

import msgspec
from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from console.cli.display.batch_report import held
from console.cli.display.standard_output import emit
from outcomes.words import STATE_WORDS, amount, duration, limit_words, state_counts
from producers.plan import Plan
from producers.submit import Submission
from provisioning.ledger import BatchStatus, SendingLimit
from provisioning.lifecycle import UNSETTLED, State

PLAIN_EVERY = 2.0
"""Seconds between lines where there is no terminal, while something changes."""

UNCHANGED_EVERY = 30.0
"""Seconds between them while nothing does."""

LEAST_BAR = 6
MOST_BAR = 30
"""Columns of the bar; under the least there is none."""


class Progress(Protocol):
    """Reports progress while a batch is read, submitted and sent."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def note(self, text: str) -> None:
        """Shows a note for a person."""

    def end(self, text: str) -> None:
        """Ends the display."""

    def checking(self, plan: Plan) -> None:
        """Rows are being checked."""

    def submitting(self, submission: Submission) -> None:
        """Rows are being submitted."""

    def sending(self, status: BatchStatus, rate: float, limits: Sequence[SendingLimit]) -> None:
        """
        Jobs are being sent.

        Args:
            rate: settled jobs per second.
            limits: the current limits of that rate.
        """


class Quiet:
    """Shows no progress, only notes."""

    def __init__(self, talk: Console | None = None) -> None:
        self._talk = talk

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...
    def note(self, text: str) -> None:
        if self._talk is not None:
            self._talk.print(text, soft_wrap=True)

    def end(self, text: str) -> None: ...
    def checking(self, plan: Plan) -> None: ...
    def submitting(self, submission: Submission) -> None: ...
    def sending(self, status: BatchStatus, rate: float, limits: Sequence[SendingLimit]) -> None: ...


class Events:
    """One JSON object a line."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def note(self, text: str) -> None:
        emit({"event": "note", "text": text})

    def end(self, text: str) -> None:
        self.note(text)

    def checking(self, plan: Plan) -> None: ...

    def submitting(self, submission: Submission) -> None:
        verdicts = {str(verdict): count for verdict, count in submission.verdicts.items()}
        emit({"event": "batch.submitted", "batch": submission.batch, "verdicts": verdicts})

    def sending(self, status: BatchStatus, rate: float, limits: Sequence[SendingLimit]) -> None:
        shown_limits = [msgspec.to_builtins(limit) for limit in limits]
        emit({"event": "batch.progressed", "rate": round(rate, 1), **status.public(), "limits": shown_limits})


class Lines:
    """A line at intervals, for logs and pipes."""

    def __init__(self, talk: Console) -> None:
        self._talk = talk
        self._last = time.monotonic()
        self._phase = ""
        self._begun = False  # whether a line of this phase has been printed
        self._unwritten = ""
        self._holds: set[str] = set()
        self._limits: set[tuple[str, str]] = set()
        self._stood: object = None  # the content of the last line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_phase("")

    def note(self, text: str) -> None:
        self._talk.print(text, soft_wrap=True)

    def end(self, text: str) -> None:
        self.note(text)

    def checking(self, plan: Plan) -> None:
        self._now_and_then("checking", f"checked {amount(plan.rows, 'row')}", plan.rows)

    def submitting(self, submission: Submission) -> None:
        handed_over = submission.handed_over
        self._now_and_then("submitting", f"submitted {amount(handed_over, 'row')}", handed_over)

    def sending(self, status: BatchStatus, rate: float, limits: Sequence[SendingLimit]) -> None:
        for hold in status.holds:
            if hold.scope not in self._holds:
                self._holds.add(hold.scope)
                self.note(held(hold))
        felt: set[tuple[str, str]] = {
            (limit.kind, limit.on) for limit in limits if limit.kind != "concurrency"
        }
        for limit in limits:
            if (limit.kind, limit.on) in felt - self._limits:
                self.note(limit_words(limit, time.time()))
        self._limits = felt
        text = f"{state_counts(status)} · {rate:.0f}/s · {time_left(status, rate, limits)}"
        self._now_and_then("sending", text, ended(status))

    def _now_and_then(self, phase: str, text: str, stands: object) -> None:
        if phase != self._phase:
            self._end_phase(phase)
        every = UNCHANGED_EVERY if self._begun and stands == self._stood else PLAIN_EVERY
        if time.monotonic() - self._last >= every:
            self._last, self._stood = time.monotonic(), stands
            self._begun, self._unwritten = True, ""
            self.note(text)
        else:
            self._unwritten = text

    def _end_phase(self, following: str) -> None:
        """Completes a phase that was shown."""
        if self._begun and self._unwritten and self._phase != "sending":
            self.note(self._unwritten)
        self._phase, self._begun, self._unwritten = following, False, ""


class Bar:
    """A live line on a terminal."""

    def __init__(self, talk: Console) -> None:
        self._talk = talk
        self._live = Live(console=talk, transient=True, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def note(self, text: str) -> None:
        self._talk.print(text, soft_wrap=True)

    def end(self, text: str) -> None:
        self._live.stop()
        self.note(text)

    def checking(self, plan: Plan) -> None:
        self._live.update(Text(f"checking rows … {plan.rows:,}"))

    def submitting(self, submission: Submission) -> None:
        self._live.update(Text(f"submitting … {submission.handed_over:,}"))

    def sending(self, status: BatchStatus, rate: float, limits: Sequence[SendingLimit]) -> None:
        numbers = Text(f" {ended(status):,}/{status.accepted:,} ", no_wrap=True, overflow="ellipsis")
        for state, style in ((State.SUCCEEDED, "green"), (State.DEAD, "red"), (State.IN_DOUBT, "yellow")):
            count = status.states[state]
            numbers.append(f" {count:,} {STATE_WORDS[state]} ", style if count else "dim")
        numbers.append(f" {rate:.0f}/s · {time_left(status, rate, limits)}", "dim")
        lines = Table.grid()
        lines.add_row(self._with_bar(numbers, ended(status), status.accepted))
        for hold in status.holds:
            lines.add_row(Text(held(hold), style="yellow"))
        for limit in limits:
            lines.add_row(Text(limit_words(limit, time.time()), style="yellow"))
        self._live.update(lines)

    def _with_bar(self, numbers: Text, ended: int, total: int) -> RenderableType:
        """The numbers come first: the bar gets what the terminal has left."""
        room = min(MOST_BAR, self._talk.width - numbers.cell_len - 1)
        if room < LEAST_BAR:
            return numbers
        line = Table.grid()
        line.add_row(ProgressBar(total=max(1, total), completed=ended, width=room), numbers)
        return line


def ended(status: BatchStatus) -> int:
    """Jobs that have ended, or wait for a person."""
    return sum(count for state, count in status.states.items() if state not in UNSETTLED)


def time_left(status: BatchStatus, rate: float, limits: Sequence[SendingLimit] = ()) -> str:
    """The remaining time at this rate, in words."""
    left = sum(status.states[state] for state in UNSETTLED)
    if not left:
        return "done"
    if status.holds and rate <= 0:
        return "held"
    if any(limit.kind == "outage" for limit in limits):
        return f"{amount(left, 'job')} left, waiting for the API"  # probes set no pace
    if rate <= 0:
        return f"{amount(left, 'job')} left"
    return f"{duration(left / rate)} left"
