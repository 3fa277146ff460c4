"""
Where a worker's time goes: one run with py-spy looking at its first process.

    script/bench profile [--scenario none] [--jobs 20000] [--to FOLDER]

Leaves `worker.speedscope.json` for the viewer of that name, and prints the functions in which the process was
found most often. Looking slows it down by a few percent: the numbers of such a run are no result. Threads
that wait are left out; time in the kernel counts for the function that called it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bench import environments, stage
from bench.contenders import CONTENDERS
from bench.scenarios import SCENARIOS

MOST = 30
"""Functions that are printed."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="script/bench profile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="ours, one process", metavar="NAME", help="the contender's name")
    parser.add_argument("--scenario", default="none", choices=SCENARIOS, metavar="NAME")
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--to", type=Path, default=Path("profile"), metavar="FOLDER")
    given = parser.parse_args(arguments)
    contender = next((one for one in CONTENDERS if one.name == given.only), None)
    if contender is None:
        print(
            f"error: there is no {given.only!r}: {', '.join(one.name for one in CONTENDERS)}", file=sys.stderr
        )
        return 2
    environments.ensure("profile")
    given.to.mkdir(parents=True, exist_ok=True)
    file = given.to / "worker.speedscope.json"
    run = stage.run(contender, SCENARIOS[given.scenario], jobs=given.jobs, watch=partial(looking, file))
    print(f"{run.jobs_s:,.0f} jobs/s, {run.cpu_us:,.0f} µs of CPU a job, looked at\n")
    for line in shares(json.loads(file.read_text(encoding="utf-8"))):
        print(line)
    return 0


@contextlib.contextmanager
def looking(file: Path, sessions: list[int]) -> Iterator[None]:
    """py-spy on the first process, until the block ends."""
    command = [environments.script_of("profile", "py-spy"), "record", "--pid", str(sessions[0])]
    spy = subprocess.Popen(
        [*command, "--rate", "500", "--format", "speedscope", "--output", str(file), "--nonblocking"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        spy.send_signal(signal.SIGINT)
        spy.wait(30)


def shares(profile: dict[str, Any]) -> Iterator[str]:
    """Lines of a table: how often a function was running or had called what was, how often it ran itself."""
    names = [
        f"{frame['name']}  {Path(frame.get('file') or '').name}" for frame in profile["shared"]["frames"]
    ]
    own, whole, total = Counter[str](), Counter[str](), 0.0
    for thread in profile["profiles"]:
        for stack, weight in zip(thread["samples"], thread["weights"], strict=True):
            if not stack:
                continue  # nobody was running
            total += weight
            own[names[stack[-1]]] += weight
            for name in {names[frame] for frame in stack}:
                whole[name] += weight
    yield f"{'below':>6} {'own':>6}"
    for name, weight in whole.most_common(MOST):
        yield f"{weight / total:6.1%} {own[name] / total:6.1%}  {name}"
    yield "\nby their own time:"
    for name, weight in own.most_common(MOST):
        yield f"{whole[name] / total:6.1%} {weight / total:6.1%}  {name}"
