"""What is printed of long work where there is no terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from console.cli.display.progress import PLAIN_EVERY, UNCHANGED_EVERY, Lines, time_left
from provisioning.attempt import Bounds
from provisioning.ledger import BatchStatus, SendingLimit
from provisioning.lifecycle import State

OUTAGE = SendingLimit(kind="outage", since=0.0, certain=True, cause="http_503", next_probe=0.0, workers=1)


def status(succeeded: int, queued: int) -> BatchStatus:
    states = dict.fromkeys(State, 0) | {State.SUCCEEDED: succeeded, State.QUEUED: queued}
    return BatchStatus(
        batch="b1",
        name="tenants",
        owner="default",
        opened_at=0.0,
        settled_at=None,
        accepted=succeeded + queued,
        states=states,
        bounds=Bounds(succeeded, succeeded),
        attempts=succeeded,
        causes={},
        holds=[],
        meta={},
        sources=[],
    )


class Printed:
    """Lines of a run of so many seconds, asked for every half second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("console.cli.display.progress.time.monotonic", lambda: self.now)
        self._out = io.StringIO()
        self._lines = Lines(Console(file=self._out, width=200))

    def watch(
        self, seconds: float, *statuses: BatchStatus, limits: tuple[SendingLimit, ...] = ()
    ) -> list[str]:
        before = len(self._out.getvalue())
        for step in range(int(seconds * 2)):
            self.now += 0.5
            self._lines.sending(statuses[step % len(statuses)], 0.0, limits)
        return self._out.getvalue()[before:].splitlines()


def test_a_batch_that_stands_still_is_told_of_twice_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = Printed(monkeypatch)
    lines = printed.watch(10 * 60, status(5, 95))
    assert len(lines) <= 10 * 60 / UNCHANGED_EVERY + 1


def test_a_batch_that_moves_is_told_of_every_other_second(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = Printed(monkeypatch)
    moving = [status(n, 100 - n) for n in range(100)]
    assert len(printed.watch(60, *moving)) == pytest.approx(60 / PLAIN_EVERY, abs=2)


def test_an_outage_is_told_once_when_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = Printed(monkeypatch)
    printed.watch(5, status(5, 95))
    lines = printed.watch(60, status(5, 95), limits=(OUTAGE,))
    told = [line for line in lines if line.startswith("the API is down since ")]
    assert len(told) == 1
    assert all("95 jobs left, waiting for the API" in line for line in lines if line not in told)


def test_an_outage_leaves_no_estimate_although_probes_end_now_and_then() -> None:
    assert str(time_left(status(5, 95), 0.5, [OUTAGE])) == "95 jobs left, waiting for the API"
    assert str(time_left(status(5, 95), 5.0)) == "19 s left"
