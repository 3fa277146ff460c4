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
        self._write(f"load {file}")
        self.until(lambda: self._has_printed("loaded"), START_SECONDS)

    def go(self) -> None:
        self._write("go")

    def done(self) -> bool:
        return self._has_printed("done")

    def _write(self, line: str) -> None:
        pipe = self.heads[0].stdin
        if pipe is None:
            raise RuntimeError("it was started with a pipe")
        pipe.write(f"{line}\n".encode())
        pipe.flush()

    def _has_printed(self, word: str) -> bool:
        return self._output().endswith(f"{word}\n")

    def _output(self) -> str:
        return (self.folder / "process-0.out").read_text(errors="replace")


class PlainLoop(BareLoop):
    def counts(self) -> Counts:
        """What became of the rows; all of it at its end."""
        return Counts(**json.loads(self._output().splitlines()[-2])) if self.done() else Counts()
