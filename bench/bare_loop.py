"""A loop at work: `bench.bare` or `bench.plain_loop` as a process that is told what to do."""

from __future__ import annotations

import json

from bench import measure, rows
from bench.doing import START_SECONDS, Counts, Doing


class BareLoop(Doing):
    def warm_up(self, count: int) -> None:
        self.prepare(0, count)
        self.go()
        self.until(self.done, START_SECONDS)
        measure.calm(self.sessions)

    def prepare(self, first: int, count: int) -> None:
        file = self.folder / f"jobs-{first}.txt"
        rows.write_jobs(file, range(first, first + count))
        self._tell(f"load {file}")
        self.until(lambda: self._said("loaded"), START_SECONDS)

    def go(self) -> None:
        self._tell("go")

    def done(self) -> bool:
        return self._said("done")

    def _tell(self, line: str) -> None:
        pipe = self.heads[0].stdin
        if pipe is None:
            raise RuntimeError("it was started with a pipe")
        pipe.write(f"{line}\n".encode())
        pipe.flush()

    def _said(self, word: str) -> bool:
        return self._all_said().endswith(f"{word}\n")

    def _all_said(self) -> str:
        return (self.folder / "process-0.out").read_text(errors="replace")


class PlainLoop(BareLoop):
    def counts(self) -> Counts:
        """What became of the rows; all of it at its end."""
        return Counts(**json.loads(self._all_said().splitlines()[-2])) if self.done() else Counts()
