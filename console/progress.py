"""Progress of long work: a live line on a terminal, plain lines elsewhere, events with `--json`."""

from __future__ import annotations

import time
from typing import Protocol, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from console.batch_report import held
from console.standard_output import emit
from console.words import STATE_WORDS, amount, duration, state_counts
from producers.plan import Plan
from producers.submit import Submission
from provisioning.ledger import BatchStatus
from provisioning.lifecycle import UNSETTLED, State

PLAIN_EVERY = 2.0
"""Seconds between lines where there is no terminal."""

LEAST_BAR = 6
MOST_BAR = 30
"""Columns of the bar; under the least there is none."""


class Progress(Protocol):
    """What is told of while a batch is read, handed over and sent."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def note(self, text: str) -> None:
        """Something that a person should know."""

    def end(self, text: str) -> None:
        """The last thing to be said; nothing moves after it."""

    def checking(self, plan: Plan) -> None:
        """Rows are being judged."""

    def submitting(self, submission: Submission) -> None:
        """Rows are being handed over."""

    def sending(self, status: BatchStatus, rate: float) -> None:
        """Jobs are being sent; `rate` in settled jobs per second."""


class Quiet:
    """Says nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...
    def note(self, text: str) -> None: ...
    def end(self, text: str) -> None: ...
    def checking(self, plan: Plan) -> None: ...
    def submitting(self, submission: Submission) -> None: ...
    def sending(self, status: BatchStatus, rate: float) -> None: ...


class Events:
    """One JSON object a line on standard output."""

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

    def sending(self, status: BatchStatus, rate: float) -> None:
        emit({"event": "batch.progressed", "rate": round(rate, 1), **status.public()})


class Lines:
    """A line now and then, for logs and pipes."""

    def __init__(self, talk: Console) -> None:
        self._talk = talk
        self._last = time.monotonic()
        self._phase = ""
        self._begun = False  # whether a line of this phase has been printed
        self._unsaid = ""
        self._holds: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_phase("")

    def note(self, text: str) -> None:
        self._talk.print(text, soft_wrap=True)

    def end(self, text: str) -> None:
        self.note(text)

    def checking(self, plan: Plan) -> None:
        self._now_and_then("checking", f"checked {amount(plan.rows, 'row')}")

    def submitting(self, submission: Submission) -> None:
        self._now_and_then("submitting", f"handed over {amount(submission.handed_over, 'row')}")

    def sending(self, status: BatchStatus, rate: float) -> None:
        for hold in status.holds:
            if hold.scope not in self._holds:
                self._holds.add(hold.scope)
                self.note(held(hold))
        self._now_and_then("sending", f"{state_counts(status)} · {rate:.0f}/s · {time_left(status, rate)}")

    def _now_and_then(self, phase: str, text: str) -> None:
        if phase != self._phase:
            self._end_phase(phase)
        if time.monotonic() - self._last >= PLAIN_EVERY:
            self._last = time.monotonic()
            self._begun, self._unsaid = True, ""
            self.note(text)
        else:
            self._unsaid = text

    def _end_phase(self, following: str) -> None:
        """What was told of on the way is told of to its end."""
        if self._begun and self._unsaid and self._phase != "sending":
            self.note(self._unsaid)
        self._phase, self._begun, self._unsaid = following, False, ""


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
        self._live.update(Text(f"handing over … {submission.handed_over:,}"))

    def sending(self, status: BatchStatus, rate: float) -> None:
        ended = sum(count for state, count in status.states.items() if state not in UNSETTLED)
        numbers = Text(f" {ended:,}/{status.accepted:,} ", no_wrap=True, overflow="ellipsis")
        for state, style in ((State.SUCCEEDED, "green"), (State.DEAD, "red"), (State.IN_DOUBT, "yellow")):
            count = status.states[state]
            numbers.append(f" {count:,} {STATE_WORDS[state]} ", style if count else "dim")
        numbers.append(f" {rate:.0f}/s · {time_left(status, rate)}", "dim")
        lines = Table.grid()
        lines.add_row(self._with_bar(numbers, ended, status.accepted))
        for hold in status.holds:
            lines.add_row(Text(held(hold), style="yellow"))
        self._live.update(lines)

    def _with_bar(self, numbers: Text, ended: int, total: int) -> RenderableType:
        """The numbers come first: the bar gets what the terminal has left."""
        room = min(MOST_BAR, self._talk.width - numbers.cell_len - 1)
        if room < LEAST_BAR:
            return numbers
        line = Table.grid()
        line.add_row(ProgressBar(total=max(1, total), completed=ended, width=room), numbers)
        return line


def time_left(status: BatchStatus, rate: float) -> str:
    """How long the rest will take at this rate, in words."""
    left = sum(status.states[state] for state in UNSETTLED)
    if not left:
        return "done"
    if status.holds and rate <= 0:
        return "held"
    if rate <= 0:
        return f"{amount(left, 'job')} left"
    return f"{duration(left / rate)} left"
