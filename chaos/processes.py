"""Workers and submitters as processes: started, frozen, thawed, ended, and asked what they had in flight."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from chaos.gauge import Gauge
from tests.support.repository import ROOT


class Victim:
    """
    A process that may be hurt.

    Attributes:
        name: also that of its log, `NAME.log` in the scenario's folder.
        died_at: monotonic seconds when its end was noticed by `gone`.
    """

    def __init__(
        self, name: str, module: str, arguments: Sequence[str], env: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.died_at = 0.0
        gauge = folder / f"{name}.gauge"
        self._gauge = Gauge(gauge)
        with self.log.open("ab") as log:
            # Leashed: it stops by itself should the harness be gone and its end of the pipe with it.
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, "--gauge", str(gauge), *arguments],
                cwd=ROOT,
                env=env,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def code(self) -> int | None:
        """Exit code; negative for a signal; None while it lives."""
        return self._process.poll()

    @property
    def in_flight(self) -> int:
        """POSTs that it had begun and not recorded, when it last moved."""
        return self._gauge.in_flight

    @property
    def passings(self) -> int:
        """How often it came by its deadly checkpoint."""
        return self._gauge.passings

    def has_logged(self, words: str, times: int = 1) -> bool:
        """Whether its log holds some words so many times."""
        return self.log.read_text(errors="replace").count(words) >= times

    def catches(self, number: int) -> bool:
        """Whether it has a handler for a signal."""
        status = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        [caught] = [line.split()[1] for line in status if line.startswith("SigCgt")]
        return bool(int(caught, 16) >> (number - 1) & 1)

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal if it still lives."""
        if self.alive:
            os.kill(self._process.pid, number)

    async def gone(self, seconds: float) -> int:
        """Waits for its end. Returns: its exit code. Raises: TimeoutError."""
        deadline = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} was still there after {seconds:g} s")
            await asyncio.sleep(0.005)
        self.died_at = time.monotonic()
        code = self.code
        assert code is not None
        return code

    def end(self) -> None:
        """SIGKILL, whatever state it is in; for when the scenario is over."""
        if self.alive:
            self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._gauge.close()
