"""
What of a server's append-only files has reached the disk, and a power cut that leaves no more than that.

`strace` writes down the system calls by which the files change. Nothing is taken for kept but what had been
written when a sync began that came back: a file's bytes by a sync of the file, its name (and so a rename) by
one of its folder. A disk may keep more; none that is honest keeps less.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FOLDER = "appendonlydir"
"""Where Valkey keeps its append-only files, within its own folder."""

END_SECONDS = 20.0
"""Within which strace has written down the end of a process that was killed: far more than it takes."""

_CALLS = (
    "open,openat,creat,write,writev,pwrite64,ftruncate,truncate,rename,renameat,renameat2,fsync,fdatasync"
)
_WHOLE = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+|\?)")
_BEGUN = re.compile(r"(\d+) +(\w+)\((.*) <unfinished \.\.\.>")
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>.*\) += (-?\d+|\?)")
_OPEN_FILE = re.compile(r"\d+<(.*?)>")
_QUOTED = re.compile(r'"(.*?)"')


def missing() -> str:
    """Why no disk can be watched here; empty if one can."""
    strace = shutil.which("strace")
    if strace is None:
        return "no strace on this machine: apt-get install strace"
    tried = subprocess.run(
        [strace, "-f", "--seccomp-bpf", "-o", os.devnull, "true"], capture_output=True, check=False
    )
    return "" if tried.returncode == 0 else "strace may not trace here (ptrace is forbidden)"


class Disk:
    """
    The disk below one server.

    Args:
        folder: the server's working folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._trace = self._folder / "trace"
        self._before: dict[str, int] = {}

    def watch(self) -> list[str]:
        """The words to put before a server's command. It remains the child of who starts it (`-D`)."""
        kept = self._folder / FOLDER
        self._before = {str(each): each.stat().st_size for each in kept.glob("*")}
        self._trace.unlink(missing_ok=True)
        return [
            *("strace", "-D", "-f", "--seccomp-bpf", "-y", "-s", "0"),
            *("-e", f"trace={_CALLS}", "-o", str(self._trace)),
        ]

    def syncs(self) -> int:
        """How many syncs of the server's files have come back since it was started."""
        synced = Synced(self._folder, self._before)
        synced.read(self._trace.read_text(errors="replace").splitlines())
        return synced.syncs

    def cut(self) -> None:
        """
        Takes away whatever the dead server had not synced.

        Raises: RuntimeError if a file that had been replaced would have to come back: that is not imitated.
        """
        kept = self._folder / FOLDER
        synced = Synced(self._folder, self._before)
        synced.read(self._lines())
        if synced.replaced:
            raise RuntimeError(f"the cut fell into a rename of {', '.join(sorted(synced.replaced))}")
        for file in kept.iterdir():
            if str(file) in synced.names:
                os.truncate(file, synced.bytes_of(str(file)))
            else:
                file.unlink()

    def _lines(self) -> list[str]:
        deadline = time.monotonic() + END_SECONDS
        while True:
            lines = self._trace.read_text(errors="replace").splitlines()
            first = lines[0].split()[0] if lines else ""
            if any(line.split()[0] == first and "+++ " in line for line in lines[-100:]):
                return lines
            if time.monotonic() > deadline:
                raise RuntimeError(f"strace did not write down the end of the server: see {self._trace}")
            time.sleep(0.01)


@dataclass(slots=True)
class _File:
    size: int = 0
    synced: int = 0


class Synced:
    """
    What is on the disk for certain, by the lines of a trace.

    Attributes:
        names: paths of the append-only folder that are there after a power cut.
        syncs: how many syncs of a file have come back well.
        replaced: paths whose former file may come back, since the rename that replaced it was not synced.
    """

    def __init__(self, folder: Path, before: dict[str, int]) -> None:
        self._home = folder
        self._kept = str(folder / FOLDER)
        self._files = {path: _File(size, size) for path, size in before.items()}
        self.names: set[str] = set(before)
        self.syncs = 0
        self.replaced: set[str] = set()
        self._begun: dict[str, tuple[str, str, _Snapshot]] = {}

    def bytes_of(self, path: str) -> int:
        """Size of a file after a power cut."""
        return self._files[path].synced

    def read(self, lines: Iterable[str]) -> None:
        """Follows the calls in the order in which they began and came back."""
        for line in lines:
            if whole := _WHOLE.match(line):
                process, call, words, result = whole.groups()
                self._begin(process, call, words)
                self._end(process, result)
            elif begun := _BEGUN.match(line):
                self._begin(*begun.groups())
            elif resumed := _RESUMED.match(line):
                self._end(*resumed.groups())

    def _begin(self, process: str, call: str, words: str) -> None:
        seen = _Snapshot(0, frozenset())
        if call in ("fsync", "fdatasync"):
            path = _path_of(words)
            here = {name for name in self._files if name.startswith(self._kept + "/")}
            seen = _Snapshot(self._files.get(path, _File()).size, frozenset(here))
        self._begun[process] = (call, words, seen)

    def _end(self, process: str, result: str) -> None:
        call, words, seen = self._begun.pop(process, ("", "", _Snapshot(0, frozenset())))
        if result == "?" or int(result) < 0:
            return  # it failed, or the server was killed in it
        if call in ("write", "writev", "pwrite64"):
            if (file := self._files.get(_path_of(words))) is not None:
                file.size += int(result)
        elif call in ("fsync", "fdatasync"):
            self._sync(_path_of(words), seen)
        elif call in ("open", "openat", "creat"):
            self._open(
                self._absolute(_QUOTED.findall(words)[0]), emptied="O_TRUNC" in words or call == "creat"
            )
        elif call.startswith("rename"):
            self._rename(*(self._absolute(name) for name in _QUOTED.findall(words)[:2]))
        elif call in ("truncate", "ftruncate"):
            path = _path_of(words) if call == "ftruncate" else self._absolute(_QUOTED.findall(words)[0])
            if (file := self._files.get(path)) is not None:
                file.size = int(words.rsplit(", ", 1)[1])
                file.synced = min(file.synced, file.size)

    def _sync(self, path: str, seen: _Snapshot) -> None:
        if path == self._kept:
            self.names |= seen.names
            self.replaced -= seen.names
        elif (file := self._files.get(path)) is not None:
            file.synced = max(file.synced, min(seen.size, file.size))
            self.syncs += 1

    def _open(self, path: str, *, emptied: bool) -> None:
        if not path.startswith(str(self._home) + "/"):
            return
        if path not in self._files or emptied:
            self._files[path] = _File()

    def _rename(self, source: str, target: str) -> None:
        if source not in self._files:
            return
        self._files[target] = self._files.pop(source)
        if target in self.names:
            self.replaced.add(target)

    def _absolute(self, name: str) -> str:
        return str(self._home / name)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What a sync finds when it begins."""

    size: int
    names: frozenset[str]


def _path_of(words: str) -> str:
    """The file of a call whose first argument is a descriptor, as `strace -y` shows it."""
    found = _OPEN_FILE.match(words)
    return found[1] if found else ""
