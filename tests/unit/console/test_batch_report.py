"""What `status` says of the workers."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from console.batch_report import held, held_since, show_workers
from provisioning.ledger import Hold, WorkerSign


def said(*workers: WorkerSign) -> str:
    out = Console(file=io.StringIO(), width=100)
    show_workers(out, list(workers))
    file = out.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def worker(name: str, in_flight: int, retries_waiting: int = 0) -> WorkerSign:
    return WorkerSign(
        name=name,
        at=0.0,
        in_flight=in_flight,
        limit=64,
        in_hand=in_flight + 5,
        retries_waiting=retries_waiting,
    )


def test_workers_are_told_together_and_each_with_the_limit_it_has_found() -> None:
    text = said(worker("w2@b", 1000), worker("w1@a", 312, retries_waiting=7))
    assert text.splitlines() == [
        "2 workers: 1,312 in flight, 1,322 jobs in hand",
        "  w1@a: 312 in flight, at most 64 at once, 7 retries waiting",
        "  w2@b: 1,000 in flight, at most 64 at once",
    ]


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
    assert held(pause) == f"{thing} paused by ana"
    assert held_since(pause).startswith(f"{thing} paused since ")
    assert held_since(pause).endswith(" by ana")
    brake = Hold(scope=scope, at=0.0, by="w1@a", why="it is down", kind="brake")
    assert held(brake) == f"brake on {thing}: it is down"
    assert held_since(brake).startswith(f"brake on {thing} since ")
    assert held_since(brake).endswith(" by w1@a: it is down")


def test_among_all_batches_the_one_that_is_held_is_named() -> None:
    pause = Hold(scope="batch:b7k2m9qx", at=0.0, by="ana", why="paused by ana", kind="paused")
    assert held(pause, "batch b7k2m9qx") == "batch b7k2m9qx paused by ana"
