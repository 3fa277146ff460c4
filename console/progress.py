"""Progress of long work: a live line on a terminal, plain lines elsewhere, events with `--json`."""

from __future__ import annotations

import time
from typing import Protocol, Self

import msgspec
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from console.words import amount, duration, state_counts
from producers.plan import Plan
from producers.submit import Submission
from provisioning.ledger import BatchStatus, Hold
from provisioning.lifecycle import UNSETTLED, State

PLAIN_EVERY = 2.0
"""Seconds between lines where there is no terminal."""


class Progress(Protocol):
    """What is told of while a batch is read, handed over and sent."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def note(self, text: str) -> None:
        """Something that a person should know."""

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
    def checking(self, plan: Plan) -> None: ...
    def submitting(self, submission: Submission) -> None: ...
    def sending(self, status: BatchStatus, rate: float) -> None: ...


class Events:
    """One JSON object a line on standard output."""

    def __init__(self, out: Console) -> None:
        self._out = out

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def note(self, text: str) -> None:
        self._emit({"event": "note", "text": text})

    def checking(self, plan: Plan) -> None: ...

    def submitting(self, submission: Submission) -> None:
        verdicts = {str(verdict): count for verdict, count in submission.verdicts.items()}
        self._emit({"event": "batch.submitted", "batch": submission.batch, "verdicts": verdicts})

    def sending(self, status: BatchStatus, rate: float) -> None:
        self._emit({"event": "batch.progressed", "rate": round(rate, 1), **status.public()})

    def _emit(self, event: dict[str, object]) -> None:
        print(msgspec.json.encode(event).decode(), file=self._out.file, flush=True)


class Lines:
    """A line now and then, for logs and pipes."""

    def __init__(self, talk: Console) -> None:
        self._talk = talk
        self._last = 0.0
        self._holds: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def note(self, text: str) -> None:
        self._talk.print(text, highlight=False, markup=False, soft_wrap=True)

    def checking(self, plan: Plan) -> None:
        self._now_and_then(f"checked {plan.rows:,} rows")

    def submitting(self, submission: Submission) -> None:
        self._now_and_then(f"handed over {submission.handed_over:,} rows")

    def sending(self, status: BatchStatus, rate: float) -> None:
        for hold in status.holds:
            if hold.scope not in self._holds:
                self._holds.add(hold.scope)
                self.note(f"held: {hold.why}")
        self._now_and_then(f"{state_counts(status)} · {rate:.0f}/s · {time_left(status, rate)}")

    def _now_and_then(self, text: str) -> None:
        if time.monotonic() - self._last >= PLAIN_EVERY:
            self._last = time.monotonic()
            self.note(text)


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
        self._talk.print(text, highlight=False, markup=False, soft_wrap=True)

    def checking(self, plan: Plan) -> None:
        self._live.update(Text(f"checking rows … {plan.rows:,}"))

    def submitting(self, submission: Submission) -> None:
        self._live.update(Text(f"handing over … {submission.handed_over:,}"))

    def sending(self, status: BatchStatus, rate: float) -> None:
        ended = sum(count for state, count in status.states.items() if state not in UNSETTLED)
        line = Table.grid(padding=(0, 1))
        line.add_row(
            ProgressBar(total=max(1, status.accepted), completed=ended, width=30),
            f"{ended:,}/{status.accepted:,}",
            Text(f"{status.states[State.SUCCEEDED]:,} created", style="green"),
            Text(f"{status.states[State.DEAD]:,} dead", style="red" if status.states[State.DEAD] else "dim"),
            Text(
                f"{status.states[State.IN_DOUBT]:,} in doubt",
                style="yellow" if status.states[State.IN_DOUBT] else "dim",
            ),
            Text(f"{rate:.0f}/s · {time_left(status, rate)}", style="dim"),
        )
        if status.holds:
            outer = Table.grid()
            outer.add_row(line)
            for hold in status.holds:
                outer.add_row(Text(_held(hold), style="yellow"))
            self._live.update(outer)
        else:
            self._live.update(line)


def _held(hold: Hold) -> str:
    return f"{'paused' if hold.kind == 'paused' else 'brake on'}: {hold.why}"


def time_left(status: BatchStatus, rate: float) -> str:
    """How long the rest will take at this rate, in words."""
    left = sum(status.states[state] for state in UNSETTLED)
    if not left:
        return "done"
    if status.holds:
        return "held"
    if rate <= 0:
        return f"{amount(left, 'job')} left"
    return f"{duration(left / rate)} left"
