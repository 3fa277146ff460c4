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
from rich.text import Text as StyledText

from console.cli.display.batch_report import held
from console.cli.display.standard_output import emit
from console.cli.language import number, tr
from outcomes.words import amount, duration, jobs_in, limit_words, state_counts
from producers.plan import Plan
from producers.submit import Submission
from provisioning.ledger import BatchStatus, SendingLimit
from provisioning.lifecycle import UNSETTLED, State
from provisioning.text import AnyText, Text, joined

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
    def note(self, text: AnyText) -> None:
        """Shows a note for a person."""

    def end(self, text: AnyText) -> None:
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
    def note(self, text: AnyText) -> None:
        if self._talk is not None:
            self._talk.print(tr(text), soft_wrap=True)

    def end(self, text: AnyText) -> None: ...
    def checking(self, plan: Plan) -> None: ...
    def submitting(self, submission: Submission) -> None: ...
    def sending(self, status: BatchStatus, rate: float, limits: Sequence[SendingLimit]) -> None: ...


class Events:
    """One JSON object a line."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def note(self, text: AnyText) -> None:
        emit({"event": "note", "text": str(text)})

    def end(self, text: AnyText) -> None:
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
        self._unwritten: AnyText = ""
        self._holds: set[str] = set()
        self._limits: set[tuple[str, str]] = set()
        self._stood: object = None  # the content of the last line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_phase("")

    def note(self, text: AnyText) -> None:
        self._talk.print(tr(text), soft_wrap=True)

    def end(self, text: AnyText) -> None:
        self.note(text)

    def checking(self, plan: Plan) -> None:
        rows = amount(plan.rows, "row")
        self._now_and_then("checking", Text("checked {rows}", rows=rows), plan.rows)

    def submitting(self, submission: Submission) -> None:
        handed_over = submission.handed_over
        rows = amount(handed_over, "row")
        self._now_and_then("submitting", Text("submitted {rows}", rows=rows), handed_over)

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
        text = joined(" · ", [state_counts(status), f"{rate:.0f}/s", time_left(status, rate, limits)])
        self._now_and_then("sending", text, ended(status))

    def _now_and_then(self, phase: str, text: AnyText, stands: object) -> None:
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

    def note(self, text: AnyText) -> None:
        self._talk.print(tr(text), soft_wrap=True)

    def end(self, text: AnyText) -> None:
        self._live.stop()
        self.note(text)

    def checking(self, plan: Plan) -> None:
        self._live.update(StyledText(tr("checking rows … {count:,}", count=plan.rows)))

    def submitting(self, submission: Submission) -> None:
        self._live.update(StyledText(tr("submitting … {count:,}", count=submission.handed_over)))

    def sending(self, status: BatchStatus, rate: float, limits: Sequence[SendingLimit]) -> None:
        reached = f" {number(ended(status))}/{number(status.accepted)} "
        numbers = StyledText(reached, no_wrap=True, overflow="ellipsis")
        for state, style in ((State.SUCCEEDED, "green"), (State.DEAD, "red"), (State.IN_DOUBT, "yellow")):
            count = status.states[state]
            numbers.append(f" {tr(jobs_in(state, count))} ", style if count else "dim")
        numbers.append(f" {rate:.0f}/s · {tr(time_left(status, rate, limits))}", "dim")
        lines = Table.grid()
        lines.add_row(self._with_bar(numbers, ended(status), status.accepted))
        for hold in status.holds:
            lines.add_row(StyledText(tr(held(hold)), style="yellow"))
        for limit in limits:
            lines.add_row(StyledText(tr(limit_words(limit, time.time())), style="yellow"))
        self._live.update(lines)

    def _with_bar(self, numbers: StyledText, ended: int, total: int) -> RenderableType:
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


def time_left(status: BatchStatus, rate: float, limits: Sequence[SendingLimit] = ()) -> Text:
    """The remaining time at this rate, in words."""
    left = sum(status.states[state] for state in UNSETTLED)
    if not left:
        return Text("done")
    if status.holds and rate <= 0:
        return Text("held")
    if any(limit.kind == "outage" for limit in limits):
        return Text("{jobs} left, waiting for the API", jobs=amount(left, "job"))  # probes set no pace
    if rate <= 0:
        return Text("{jobs} left", jobs=amount(left, "job"))
    return Text("{time} left", time=duration(left / rate))
