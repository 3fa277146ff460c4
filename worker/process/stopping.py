"""
Ends the process in time after a signal to stop.

Celery's loop looks for the signal between two turns, and a turn that asks a Redis which does not answer takes
half a minute. Then another thread stops the engine, and ends the process.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

WITHIN = 9.5
"""Seconds from the signal to the end of the process: a supervisor often kills at 10."""

CELERY_FIRST = 1.5
"""Seconds in which Celery's loop begins the stop by itself, if it runs: it has a turn each second."""

LEFT_FOR_CELERY = 2.0
"""Seconds for Celery's own end after the engine's: it has nothing that would be lost."""


def stop_in_time(stop: Callable[[], None], *, end: Callable[[int], None] = os._exit) -> None:
    """
    Returns at once; the process ends within `WITHIN` s.

    Args:
        stop: stops the engine gracefully; waits if another thread has begun to.
        end: ends the process with an exit code, whatever else runs in it.
    """
    threading.Thread(target=_stop, args=(stop, end), name="stop", daemon=True).start()


def _stop(stop: Callable[[], None], end: Callable[[int], None]) -> None:
    latest = time.monotonic() + WITHIN
    time.sleep(CELERY_FIRST)
    stopping = threading.Thread(target=stop, name="stop the engine", daemon=True)
    stopping.start()
    stopping.join(latest - time.monotonic())
    time.sleep(max(0.0, min(LEFT_FOR_CELERY, latest - time.monotonic())))
    end(0)  # Celery has not ended the process before: it waits for its broker
