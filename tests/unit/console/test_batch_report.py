"""What `status` says of the workers."""

from __future__ import annotations

import io

from rich.console import Console

from console.batch_report import show_workers
from provisioning.ledger import WorkerSign


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
