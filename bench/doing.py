"""What the stage asks of a contender while it runs. Rows are numbered from 0; the first are the warm-up."""

from __future__ import annotations

import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from redis import Redis

from bench import measure
from bench.contenders import Contender

START_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Counts:
    """Rows that have come to their end, as the contender itself sees them."""

    created: int = 0
    dead: int = 0
    in_doubt: int = 0

    @property
    def settled(self) -> int:
        return self.created + self.dead + self.in_doubt


class Doing(ABC):
    """
    A contender at work.

    Attributes:
        sessions: of its processes; each command heads one.
    """

    def __init__(self, contender: Contender, folder: Path, environ: dict[str, str]) -> None:
        self.contender = contender
        self.folder = folder
        self.environ = environ
        self.heads: list[subprocess.Popen[bytes]] = []

    @property
    def sessions(self) -> list[int]:
        return [head.pid for head in self.heads]

    def start(self, commands: list[list[str]]) -> None:
        """Starts its processes; what they say goes into files."""
        for number, command in enumerate(commands):
            with (self.folder / f"process-{number}.out").open("wb") as log:
                self.heads.append(
                    subprocess.Popen(
                        command,
                        cwd=self.folder,
                        env=self.environ,
                        stdin=subprocess.PIPE,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )

    @abstractmethod
    def warm_up(self, count: int) -> None:
        """Has it do the first rows, until it is up and calm."""

    @abstractmethod
    def prepare(self, first: int, count: int) -> float | None:
        """
        Brings it to the edge: all that is left to do is the rows.

        Returns: rows a second handed over; None if nothing is handed over.
        """

    @abstractmethod
    def go(self) -> None:
        """Lets it begin."""

    @abstractmethod
    def done(self) -> bool:
        """Whether every row has its result."""

    def until(self, holds: Callable[[], bool], seconds: float) -> float:
        """Asks every few milliseconds. Returns: Unix seconds of the first yes. Raises: RuntimeError."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline or not self.alive():
                raise RuntimeError(f"{self.contender.name} did not come to its end\n{self._last_words()}")
            time.sleep(0.005)
        return time.time()

    def alive(self) -> bool:
        return all(head.poll() is None for head in self.heads)

    def end(self) -> None:
        """Ends its processes: politely, then not."""
        sessions = self.sessions
        for head in self.heads:
            if head.stdin is not None:
                head.stdin.close()
            head.terminate()
        deadline = time.monotonic() + 10
        while measure.members(sessions) and time.monotonic() < deadline:
            for head in self.heads:
                head.poll()
            time.sleep(0.05)
        measure.send_signal(sessions, signal.SIGKILL)
        for head in self.heads:
            head.wait()

    def _last_words(self) -> str:
        logs = [log.read_text(errors="replace")[-1500:] for log in sorted(self.folder.glob("process-*.out"))]
        return "\n".join(filter(None, logs))


class Queued(Doing):
    """
    A contender with workers on a queue. They stand still while it is filled, and start as one.

    Attributes:
        handed_over_at: Unix seconds of the last handing over's start: its command's.
    """

    def __init__(self, contender: Contender, folder: Path, environ: dict[str, str]) -> None:
        super().__init__(contender, folder, environ)
        # redis-py types each reply as the union of all it might be under any protocol.
        self.redis: Any = Redis.from_url(environ["BENCH_REDIS_URL"])
        self.handed_over_at = 0.0

    @abstractmethod
    def hand_over(self, first: int, count: int) -> float:
        """Hands rows over. Returns: rows a second. Raises: RuntimeError."""

    @abstractmethod
    def counts(self) -> Counts:
        """What has become of the rows that were handed over last."""

    def warm_up(self, count: int) -> None:
        # saq's sweeper, which looks once at the start, takes jobs for lost that are only just being taken up.
        measure.calm(self.sessions)
        # In two parts: the first until all is up and has imported what it needs, the second for connections.
        for first, part in ((0, count // 2), (count // 2, count - count // 2)):
            self.hand_over(first, part)
            self.until(self.done, START_SECONDS)
            measure.calm(self.sessions)

    def prepare(self, first: int, count: int) -> float:
        measure.send_signal(self.sessions, signal.SIGSTOP)
        return self.hand_over(first, count)

    def go(self) -> None:
        measure.send_signal(self.sessions, signal.SIGCONT)

    def end(self) -> None:
        measure.send_signal(self.sessions, signal.SIGCONT)
        super().end()
        self.redis.close()
