"""What `status` says of the workers."""

from __future__ import annotations

import io
import re
import time
from typing import Any

import pytest
from rich.console import Console

from console.cli.display.batch_report import held, held_since, show_limits, show_workers
from provisioning.learned_rate import LearnedRate
from provisioning.ledger import Hold, Outage, WorkerSign
from provisioning.ledger.limits import sending_limits


def said(*workers: WorkerSign) -> str:
    out = Console(file=io.StringIO(), width=100)
    show_workers(out, list(workers))
    file = out.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def worker(name: str, in_flight: int, **more: Any) -> WorkerSign:
    return WorkerSign(name=name, at=0.0, in_flight=in_flight, limit=64, in_hand=in_flight + 5, **more)


def limits_of(*workers: WorkerSign, **learned: LearnedRate) -> list[str]:
    out = Console(file=io.StringIO(), width=100)
    show_limits(out, sending_limits(workers, {"other": "5.0"}, learned))
    file = out.file
    assert isinstance(file, io.StringIO)
    return file.getvalue().splitlines()


def test_workers_are_told_together() -> None:
    text = said(worker("w2@b", 1000), worker("w1@a", 312))
    assert text.splitlines() == ["2 workers: 1,312 in flight, 1,322 jobs claimed"]


def test_what_limits_sending_is_told_with_its_numbers() -> None:
    settings = {"rate": "unlimited"}
    down = Outage(certain=True, since=0.0, cause="http_503", next_probe=time.time() + 2.5)
    first = worker("w1", 1, settings=settings, credentials=["default"], refused=0.18, outage=down)
    second = worker("w2", 1, settings=settings, credentials=["default"])
    outage, rate, pace, one, other = limits_of(
        first, second, default=LearnedRate(48.9, 48.9, 0.0, 1.0, measured=True)
    )
    assert re.fullmatch(r"  the API is down since \d\d:\d\d:\d\d \(http_503\); next probe in 2\.\d s", outage)
    assert re.fullmatch(r"  credential default: 48\.9/s, learned from 429s at \d\d:\d\d:\d\d", rate)
    assert pace == "  credential other: 5/s, the configured pace"
    assert one == "  w1: at most 64 POSTs at once, 18% of the last answers were refusals"
    assert other == "  w2: at most 64 POSTs at once"


def test_a_suspicion_is_told_as_one_and_of_how_many_workers() -> None:
    maybe = Outage(certain=False, since=0.0, cause="connect_refused", next_probe=0.0)
    outage, *_ = limits_of(worker("w1", 0, outage=maybe), worker("w2", 0, outage=maybe))
    assert outage.startswith("  the API may be down for 2 workers since ")


def test_without_workers_nothing_is_said() -> None:
    assert said() == ""


@pytest.mark.parametrize(
    ("scope", "thing"),
    [
        ("all", "everything"),
        ("batch:b7k2m9qx", "this batch"),
        ("credential:acme", "credential acme"),
        ("target:https://api.example", "the API at https://api.example"),
    ],
)
def test_a_hold_names_what_is_held_and_who_paused_it_once(scope: str, thing: str) -> None:
    pause = Hold(scope=scope, at=0.0, by="ana", why="paused by ana", kind="paused")
    assert str(held(pause)) == f"{thing} paused by ana"
    assert held_since(pause).startswith(f"{thing} paused since ")
    assert held_since(pause).endswith(" by ana")
    brake = Hold(scope=scope, at=0.0, by="w1@a", why="it is down", kind="brake")
    assert str(held(brake)) == f"brake on {thing}: it is down"
    assert held_since(brake).startswith(f"brake on {thing} since ")
    assert held_since(brake).endswith(" by w1@a: it is down")


def test_among_all_batches_the_one_that_is_held_is_named() -> None:
    pause = Hold(scope="batch:b7k2m9qx", at=0.0, by="ana", why="paused by ana", kind="paused")
    assert str(held(pause, "batch b7k2m9qx")) == "batch b7k2m9qx paused by ana"
