"""Looks at processes and at Redis once a second, and at one command as often as it takes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from bench import measure
from bench.ours import SETTLED
from bench.scale.results import Command, Sample
from provisioning.ledger import Ledger
from provisioning.lifecycle import State

EVERY: Final = 1.0
"""Seconds from one sample to the next."""

LOOK: Final = 0.02
"""Seconds between two looks at a command's peak: what it takes in its very last moment may be missed."""


class Watch:
    """
    Samples from a thread of its own while the block lasts.

    Args:
        url: of the Redis.
        files: folder of its append-only files.
        sessions: by name, whose memory is looked at.
    """

    def __init__(self, url: str, files: Path, sessions: Mapping[str, int]) -> None:
        self.batch = ""
        self.phase = "rest"
        self.sessions = dict(sessions)
        self.samples: list[Sample] = []
        self._url, self._files = url, files
        self._enough = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="watch")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def check(self) -> None:
        """Raises: RuntimeError if it no longer samples."""
        if self._failure is not None:
            raise RuntimeError(f"sampling ended: {self._failure!r}") from self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._sample())
        except Exception as error:  # noqa: BLE001 - told by check(), on the thread that waits for samples
            self._failure = error

    async def _sample(self) -> None:
        began = time.monotonic()
        async with Ledger.at(self._url) as ledger:
            while not self._enough.is_set():
                at = time.monotonic()
                settled, took = await self._ask(ledger)
                used = int((await ledger.redis.info("memory"))["used_memory"])
                pss, rss = self._memory()
                self.samples.append(
                    Sample(
                        at=round(at - began, 2),
                        phase=self.phase,
                        settled=settled,
                        used_bytes=used,
                        files_bytes=sum(each.stat().st_size for each in _files_in(self._files)),
                        status_ms=round(1000 * took, 2),
                        pss=pss,
                        rss=rss,
                    )
                )
                await asyncio.to_thread(self._enough.wait, max(0.0, at + EVERY - time.monotonic()))

    async def _ask(self, ledger: Ledger) -> tuple[int, float]:
        if not self.batch:
            return 0, 0.0
        began = time.perf_counter()
        status = await ledger.queries.status(self.batch)
        took = time.perf_counter() - began
        return sum(status.states[State(word)] for word in SETTLED), took

    def _memory(self) -> tuple[dict[str, int], dict[str, int]]:
        pss, rss = {}, {}
        for name, session in list(self.sessions.items()):
            found = [_rollup(pid) for pid in measure.members([session])]
            pss[name] = sum(each.get("Pss", 0) for each in found) * 1024
            rss[name] = sum(each.get("Rss", 0) for each in found) * 1024
        return pss, rss


def command(words: list[str], environ: dict[str, str], *, timeout: float) -> tuple[Command, str]:
    """
    Carries a command out.

    Args:
        patience: seconds that it may take.

    Returns: what it took, and what it said on its standard output.
    Raises: RuntimeError if it fails or takes longer.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began, peak = time.monotonic(), 0
        process = subprocess.Popen(
            words,
            env=environ,
            cwd=environ["TMPDIR"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        try:
            # Its own peak, for Linux counts that of the process that started it among a child's maxrss.
            while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
                if time.monotonic() > began + timeout:
                    raise RuntimeError(f"{' '.join(words[1:3])} took more than {timeout:.0f} s")
                with contextlib.suppress(OSError):
                    status = measure.kilobytes(measure.PROC / str(process.pid) / "status")
                    peak = max(peak, 1024 * status.get("VmHWM", 0))
                time.sleep(LOOK)
            process.returncode = os.waitstatus_to_exitcode(ended[1])
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
        seconds = time.monotonic() - began
        output.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            text = errors.read()[-2000:].decode(errors="replace")
            raise RuntimeError(f"{' '.join(words[1:3])} ended with {process.returncode}:\n{text}")
        cpu = ended[2].ru_utime + ended[2].ru_stime
        return Command(round(seconds, 3), round(cpu, 3), peak), output.read().decode()


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder and below."""
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def _files_in(folder: Path) -> list[Path]:
    """Files that are there now; Redis puts a new one in the place of the old as it likes."""
    return [each for each in folder.glob("*") if each.is_file()] if folder.exists() else []


def _rollup(pid: int) -> dict[str, int]:
    with contextlib.suppress(OSError):
        return measure.kilobytes(measure.PROC / str(pid) / "smaps_rollup")
    return {}
