"""The end of a process that was told to stop comes in time, after the engine's if that is in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from worker.process import stopping


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "CELERY_FIRST", 0.1)
    monkeypatch.setattr(stopping, "LEFT_FOR_CELERY", 0.1)
    monkeypatch.setattr(stopping, "WITHIN", 2.0)


def _end_of(stop: Callable[[], None]) -> float:
    """Seconds until the process ends."""
    ended, codes = threading.Event(), []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    began = time.monotonic()
    stopping.stop_in_time(stop, end=end)
    assert time.monotonic() - began < 0.1  # it is called by a signal handler
    assert ended.wait(10)
    assert codes == [0]
    return time.monotonic() - began


def test_the_process_ends_after_the_engine() -> None:
    stopped: list[float] = []

    def stop() -> None:
        time.sleep(0.3)
        stopped.append(time.monotonic())

    assert _end_of(stop) < 2.0
    assert stopped


def test_the_process_ends_in_time_though_the_engine_does_not() -> None:
    assert 1.9 < _end_of(lambda: time.sleep(30)) < 4.0
