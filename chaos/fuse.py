"""The fuse: at the Nth passing of one checkpoint it kills its own process with SIGKILL, between two lines."""

from __future__ import annotations

import os
import signal

from chaos.gauge import Gauge


class Fuse:
    """
    Counts the passings of one checkpoint.

    Args:
        die_at: name of the checkpoint; None never to die.
        nth: the passing that kills.
    """

    def __init__(self, die_at: str | None, nth: int, gauge: Gauge) -> None:
        self._die_at = die_at
        self._left = nth
        self._gauge = gauge

    def burn(self, checkpoint: str) -> None:
        """A checkpoint is passed; nothing after this line may happen."""
        if checkpoint != self._die_at:
            return
        self._left -= 1
        self._gauge.show(passings=self._gauge.passings + 1)
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
