"""The real commands as processes, each test in a folder of its own with an environment of its own."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from tests.support import forking
from tests.support.repository import ROOT

BIN = Path(sys.executable).parent
PROVISION = str(BIN / "provision")

PATIENCE = 60.0
"""Seconds that a test waits for something that takes a few, for machines that are busy with other tests."""


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Its standard output, an object a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def last(self) -> dict[str, Any]:
        return self.objects[-1]


class Running:
    """A command that has been started; its output goes into files, so that no pipe can fill up."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def said(self) -> str:
        """What it has written to standard error so far."""
        return self._log.with_suffix(".err").read_text()

    def end(self, signal: int | None = None) -> Ran:
        """What it came to, after a signal if one is given."""
        if signal is not None:
            self.process.send_signal(signal)
        self.process.wait(PATIENCE)
        return Ran(
            self.process.returncode,
            self._log.with_suffix(".out").read_text(),
            self._log.with_suffix(".err").read_text(),
        )


class Desk:
    """A folder to work in, and the settings of the commands run there."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self._settings = settings
        self._started: list[Running] = []

    def environ(self, **settings: str) -> dict[str, str]:
        """This process's environment without settings of ours, and then the desk's and these."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PROVISION_")}
        kept.pop("COLUMNS", None)
        chosen = {f"PROVISION_{name}": value for name, value in {**self._settings, **settings}.items()}
        return {**kept, "TMPDIR": str(self.folder), "C_FORCE_ROOT": "1", **chosen}

    def run(self, *args: str, **settings: str) -> Ran:
        """Runs `provision` to its end."""
        return self.feed(b"", *args, **settings)

    def feed(self, stdin: bytes, *args: str, **settings: str) -> Ran:
        """Runs `provision` to its end with something on its standard input."""
        environ = self.environ(**settings)
        done = forking.run(PROVISION, args, cwd=self.folder, env=environ, stdin=stdin, seconds=PATIENCE)
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *args: str, **settings: str) -> Running:
        """Starts `provision`; the desk ends it if the test does not."""
        return self.start_program([PROVISION, *args], **settings)

    def start_program(self, command: list[str], **settings: str) -> Running:
        """Starts any program in the desk's environment."""
        log = self.folder / f"process-{len(self._started)}.log"
        with log.with_suffix(".out").open("wb") as out, log.with_suffix(".err").open("wb") as err:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environ(**settings) | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        running = Running(process, log)
        self._started.append(running)
        return running

    def status(self, batch: str) -> dict[str, Any]:
        """The batch as `provision status --json` shows it."""
        shown = self.run("status", batch, "--json")
        assert shown.code == 0, shown.err
        [status] = shown.objects
        return status

    def leave(self) -> None:
        """Ends what the test has left running, and only that."""
        for running in self._started:
            if running.process.poll() is None:
                running.process.kill()
                running.process.wait()
        for pid in self.processes():
            os.kill(pid, 9)

    def processes(self) -> list[int]:
        """Whatever runs in this folder or has it in its environment: Valkey, workers, sandboxes."""
        return [pid for pid in _pids() if _belongs(pid, str(self.folder))]


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _belongs(pid: int, folder: str) -> bool:
    try:
        where = str(Path(f"/proc/{pid}/cwd").readlink())
        said = Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False  # gone, or a zombie: it runs no more
    return where.startswith(folder) or folder.encode() in said


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Waits for something that can be observed; what takes long to look at is looked at less often."""
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if condition():
            return
        now = time.monotonic()
        if now > deadline:
            raise TimeoutError(f"after {seconds:g} s still not: {what}")
        time.sleep(min(max(0.02, now - began), 0.5))


@contextmanager
def running_worker(desk: Desk, redis_url: str, *command: str, **settings: str) -> Iterator[Running]:
    """A worker that the ledger has seen, gone when the block ends; `provision worker` by default."""
    with Redis.from_url(redis_url) as redis:
        settings = {**settings, "REDIS_URL": redis_url}
        worker = desk.start_program(list(command) or [PROVISION, "worker"], **settings)
        try:
            until(lambda: redis.zcard("pv:workers") or worker.process.poll() is not None, "the worker is up")
            assert worker.process.poll() is None, worker.end().err
            yield worker
        finally:
            worker.process.terminate()
            worker.process.wait(PATIENCE)


HEADERS = ("key", "label", "bot.id", "widget.properties.type", "widget.theme.vars.color.primary")


def tenants(path: Path, rows: int, *, prefix: str = "tenant") -> Path:
    """A file of good rows, each with a body of its own and no bot id that is magic to the sandbox."""
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(HEADERS) + "\n")
        file.writelines(f"{prefix}-{n},Café {n},{100_200_300 + n},normal,#{n:06x}\n" for n in range(rows))
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    """A CSV file, a row an object."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
