"""
What processes have used, read from /proc: CPU with their children's, memory with shared pages counted once.

A contender starts in a session of its own, so everything that it forks is found, whoever its parent is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Stat:
    """
    A line of /proc/PID/stat.

    Attributes:
        session: id of its session.
        ticks: user and system time of its own.
        reaped: the same of children that have ended and were waited for.
    """

    session: int
    ticks: int
    reaped: int


def read_stat(text: str) -> Stat:
    """Reads /proc/PID/stat; the command in it may hold spaces and parentheses."""
    fields = text.rpartition(")")[2].split()
    return Stat(int(fields[3]), int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14]))


def members(sessions: Iterable[int]) -> list[int]:
    """Processes of these sessions."""
    wanted = set(sessions)
    return [pid for pid, stat in _all_stats() if stat.session in wanted]


def cpu_seconds(sessions: Iterable[int]) -> float:
    """CPU that these sessions have used until now, user and system, those of ended children included."""
    wanted = set(sessions)
    return sum(stat.ticks + stat.reaped for _, stat in _all_stats() if stat.session in wanted) / TICKS


def cpu_of(pid: int) -> float:
    """CPU that one process has used until now, in seconds."""
    return read_stat((PROC / str(pid) / "stat").read_text()).ticks / TICKS


def cpu_milliseconds(pid: int) -> float:
    """
    CPU that the threads of one process have used until now, to the microsecond.

    Not that of threads that have ended. Raises: FileNotFoundError if the kernel has no such statistics.
    """
    threads = (PROC / str(pid) / "task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e6


def peak_bytes(sessions: Iterable[int]) -> int:
    """
    The most memory that these sessions have held: what they hold now with shared pages split among their
    holders (PSS), and for each process what it once held beyond that.
    """
    total = 0
    for pid in members(sessions):
        with contextlib.suppress(OSError):
            status = kilobytes(PROC / str(pid) / "status")
            rollup = kilobytes(PROC / str(pid) / "smaps_rollup")
            total += 1024 * (rollup["Pss"] + max(0, status["VmHWM"] - status["VmRSS"]))
    return total


def calm(sessions: Iterable[int], *, share: float = 0.1, over: float = 0.4, timeout: float = 8.0) -> bool:
    """Waits until these sessions use less than a share of one core; False if they never do."""
    deadline = time.monotonic() + timeout
    before = cpu_seconds(sessions)
    while time.monotonic() < deadline:
        time.sleep(over)
        now = cpu_seconds(sessions)
        if now - before < share * over:
            return True
        before = now
    return False


def send_signal(sessions: Iterable[int], number: signal.Signals) -> None:
    """Sends a signal to every process of these sessions, which are our own contenders'."""
    for pid in members(sessions):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def kilobytes(path: Path) -> dict[str, int]:
    """The lines `Name: 123 kB` of a file such as /proc/PID/status; none if its process has just ended."""
    found = {}
    for line in path.read_text().splitlines():
        name, _, rest = line.partition(":")
        if rest.endswith(" kB"):
            found[name] = int(rest.split()[0])
    return found


def _all_stats() -> Iterator[tuple[int, Stat]]:
    for entry in os.scandir(PROC):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                yield int(entry.name), read_stat(Path(entry.path, "stat").read_text())
