"""This program at work: `provision worker` and `provision apply FILE --detach`, counted in the ledger."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Final

from bench import rows
from bench.contenders import Contender
from bench.doing import START_SECONDS, Counts, Queued
from bench.environments import script_of
from provisioning.ledger import keys

SETTLED: Final = ("succeeded", "dead", "in_doubt")


class Ours(Queued):
    def __init__(self, contender: Contender, folder: Path, environ: dict[str, str]) -> None:
        settings = {
            "PROVISION_API_URL": environ["BENCH_API_URL"],
            "PROVISION_REDIS_URL": environ["BENCH_REDIS_URL"],
            "PROVISION_CLIENT_ID": "bench",
            "PROVISION_CLIENT_SECRET": "bench",
            "PROVISION_RATE": "unlimited",
            "PROVISION_MAX_IN_FLIGHT": environ["BENCH_IN_FLIGHT"],
        }
        super().__init__(contender, folder, environ | settings)
        self._batch, self._wanted = "", 0

    def warm_up(self, count: int) -> None:
        self.until(lambda: self.redis.zcard(keys.WORKERS) >= len(self.sessions), START_SECONDS)
        super().warm_up(count)

    def hand_over(self, first: int, count: int) -> float:
        """Applies a CSV file; the whole command is timed, from Python's start to its end."""
        file = self.folder / f"rows-{first}.csv"
        rows.write_csv(file, range(first, first + count))
        self.handed_over_at, began = time.time(), time.monotonic()
        ran = subprocess.run(
            [script_of("", "provision"), "apply", str(file), "--detach", "--yes", "--json"],
            env=self.environ,
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        seconds = time.monotonic() - began
        if ran.returncode != 0:
            raise RuntimeError(f"apply ended with {ran.returncode}:\n{ran.stderr.decode()[-2000:]}")
        self._batch, self._wanted = json.loads(ran.stdout.splitlines()[-1])["batch"], count
        return count / seconds

    def counts(self) -> Counts:
        found = self.redis.hmget(keys.batch(self._batch), SETTLED)
        return Counts(*(int(number or 0) for number in found))

    def done(self) -> bool:
        return self.counts().settled >= self._wanted
