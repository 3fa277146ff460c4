"""What a whole bench gave: its runs, on what machine, with which versions; kept as JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median_low
from typing import Any, Final, Self

from bench import environments
from bench.stage import Enqueued, Measured
from bench.weather.run import Weathered

FILE: Final = environments.ROOT / "bench" / "results.json"

_PACKAGES: Final = (
    ("peers", "celery"),
    ("peers", "dramatiq"),
    ("arq", "arq"),
    ("peers", "taskiq"),
    ("peers", "taskiq-redis"),
    ("saq", "saq"),
    ("peers", "streaq"),
    ("peers", "rq"),
    ("peers", "httpx"),
)


@dataclass
class Results:
    """
    Everything that was measured in one go.

    Attributes:
        about: the machine and the versions, by name.
        failures: runs that came to nothing, in words.
    """

    about: dict[str, str]
    runs: list[Measured] = field(default_factory=list)
    enqueued: list[Enqueued] = field(default_factory=list)
    weathered: list[Weathered] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def of(self, scenario: str) -> list[Measured]:
        """One run for each contender, the one with its median pace; the fastest contender first."""
        names = dict.fromkeys(run.contender for run in self.runs if run.scenario == scenario)
        chosen = (self._median(scenario, name) for name in names)
        return sorted(chosen, key=pace, reverse=True)

    def one(self, scenario: str, contender: str) -> Measured | None:
        return next((run for run in self.of(scenario) if run.contender == contender), None)

    def best_peer(self, scenario: str) -> Measured | None:
        """The peer with the most jobs/s; where answers fail, the most to the 95th percent."""
        peers = [run for run in self.of(scenario) if run.family == "peer"]
        return max(peers, key=pace, default=None)

    def handed_over(self) -> list[Enqueued]:
        """One measurement of handing over for each contender, its median; the fastest first."""
        names = dict.fromkeys(one.contender for one in self.enqueued)
        chosen = []
        for name in names:
            of_it = [one for one in self.enqueued if one.contender == name]
            middle = median_low(one.enqueue_s for one in of_it)
            chosen.append(next(one for one in of_it if one.enqueue_s == middle))
        return sorted(chosen, key=lambda one: -one.enqueue_s)

    def under(self, weather: str, contender: str, processes: int = 1) -> Weathered | None:
        """A contender's run in a weather, the one with the median time."""
        runs = [
            run
            for run in self.weathered
            if (run.weather, run.contender, run.processes) == (weather, contender, processes)
        ]
        middle = median_low(run.seconds for run in runs) if runs else None
        return next((run for run in runs if run.seconds == middle), None)

    def with_anew(self, scenarios: Iterable[str], anew: Self) -> Self:
        """These results with some scenarios from another bench, and when that was."""
        replaced = set(scenarios)
        note = f"{anew.about['when']}, commit {anew.about['commit']}"
        return replace(
            self,
            about=self.about | {f"{name} anew": note for name in sorted(replaced)},
            runs=[run for run in self.runs if run.scenario not in replaced] + anew.runs,
            enqueued=anew.enqueued or self.enqueued,
            weathered=anew.weathered or self.weathered,
            failures=[each for each in self.failures if each.partition(",")[0] not in replaced]
            + anew.failures,
        )

    def write(self, file: Path = FILE) -> None:
        """Writes JSON with a run a line, so that two can be compared."""
        parts = [f' "about": {json.dumps(self.about)}', f' "failures": {json.dumps(self.failures)}']
        parts += [f' "runs": {_lines(self.runs)}', f' "enqueued": {_lines(self.enqueued)}']
        parts += [f' "weathered": {_lines(self.weathered)}']
        file.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")

    @classmethod
    def read(cls, file: Path = FILE) -> Self:
        found = json.loads(file.read_text(encoding="utf-8"))
        return cls(
            about=found["about"],
            runs=[Measured(**run) for run in found["runs"]],
            enqueued=[Enqueued(**one) for one in found["enqueued"]],
            weathered=[Weathered(**one) for one in found.get("weathered", ())],
            failures=found["failures"],
        )

    def _median(self, scenario: str, contender: str) -> Measured:
        runs = [run for run in self.runs if (run.scenario, run.contender) == (scenario, contender)]
        middle = median_low(map(pace, runs))
        return next(run for run in runs if pace(run) == middle)


def pace(run: Measured) -> float:
    """Jobs/s of a run; to the 95th percent where answers fail, for the last few wait out their backoffs."""
    return run.jobs_s_95 if run.failed else run.jobs_s


def about() -> dict[str, str]:
    """This machine, and what is compared on it."""
    packages = {name: environments.installed(where, name) for where, name in _PACKAGES}
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "cpu": f"{os.cpu_count()} × {_cpu_model()}",
        "python": platform.python_version(),
        "load at the start": f"{os.getloadavg()[0]:.1f}",
        **packages,
    }


def _lines(runs: Iterable[Any]) -> str:
    return "[\n" + ",\n".join(f"  {json.dumps(asdict(run))}" for run in runs) + "\n ]"


def _commit() -> str:
    ran = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607 - whichever git there is
        cwd=environments.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout.strip() or "unknown"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
