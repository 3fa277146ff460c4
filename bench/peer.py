"""A peer at work: jobs handed over by `bench.peers`, results counted in Redis."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Final

from bench import rows
from bench.contenders import Contender
from bench.doing import Counts, Queued
from bench.environments import python_of

RESULTS: Final = "bench:results"
DEAD: Final = "bench:dead"


class Peer(Queued):
    def __init__(self, contender: Contender, folder: Path, environ: dict[str, str]) -> None:
        super().__init__(contender, folder, environ)
        self._before, self._wanted = Counts(), 0

    def hand_over(self, first: int, count: int) -> float:
        """Only the handing over is timed, not the start of the process that does it."""
        file = self.folder / f"jobs-{first}.txt"
        rows.write_jobs(file, range(first, first + count))
        self._before = self._all()
        self.handed_over_at = time.time()
        ran = subprocess.run(
            [python_of(self.contender.environment), "-m", "bench.peers", self.contender.module, str(file)],
            env=self.environ,
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        if ran.returncode != 0:
            raise RuntimeError(f"{self.contender.name} took no jobs:\n{ran.stderr.decode()[-2000:]}")
        result = json.loads(ran.stdout.splitlines()[-1])
        self._wanted += count
        return float(result["rows"]) / float(result["seconds"])

    def counts(self) -> Counts:
        now = self._all()
        return Counts(now.created - self._before.created, now.dead - self._before.dead)

    def done(self) -> bool:
        return self._all().created >= self._wanted

    def _all(self) -> Counts:
        return Counts(self.redis.hlen(RESULTS), self.redis.scard(DEAD))
