"""What the measures gave, kept as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any, Final, Self

from bench.environments import ROOT

FILE: Final = ROOT / "docs" / "explanation" / "console-measures.json"


@dataclass(frozen=True)
class Spread:
    """Milliseconds of many: their median, 95th percentile and largest."""

    p50: float
    p95: float
    most: float

    @classmethod
    def of(cls, milliseconds: list[float]) -> Self:
        """Of at least two."""
        cuts = quantiles(milliseconds, n=20, method="inclusive")
        return cls(round(cuts[9], 1), round(cuts[18], 1), round(max(milliseconds), 1))


@dataclass(frozen=True)
class PageTime:
    """
    A page as the server answers it.

    Attributes:
        idle, busy: from the request to the last byte.
        server_cpu_ms, redis_cpu_ms: CPU of one request: other programs on the machine do not change it.
        compressed_bytes: of the answer's body.
        redis_calls: commands of one request, those of scripts included.
    """

    name: str
    idle: Spread
    busy: Spread
    server_cpu_ms: float
    redis_cpu_ms: float
    compressed_bytes: int
    redis_calls: int


@dataclass(frozen=True)
class View:
    """
    A page as a browser shows it.

    Attributes:
        first_paint_ms, slow_first_paint_ms: first contentful paint in an empty browser, the visits' median.
        shift: cumulative layout shift, the most of all visits.
        next_paint_ms: the longest of the interactions, throttled.
        first_bytes, later_bytes: on the wire, with headers; of a first visit, and with files in the cache.
        problems: what the browser complained of, and addresses of other hosts that it asked.
    """

    name: str
    first_paint_ms: float
    slow_first_paint_ms: float
    shift: float
    next_paint_ms: float
    first_bytes: int
    later_bytes: int
    problems: list[str]


@dataclass(frozen=True)
class Change:
    """Milliseconds from a change in the ledger until a page shows it."""

    name: str
    shown: Spread


@dataclass(frozen=True)
class Watched:
    """
    A worker with and without pages that are watched, in turns.

    Attributes:
        latency: seconds from a POST to its answer.
        alone, beside: jobs a second of each turn.
    """

    latency: float
    watchers: int
    alone: list[float]
    beside: list[float]

    @property
    def kept(self) -> float:
        """The pace beside watchers as a share of that alone."""
        return sum(self.beside) / sum(self.alone)

    @property
    def of_each_round(self) -> list[float]:
        """The same of single rounds: how far they differ is what chance may do."""
        return [beside / alone for alone, beside in zip(self.alone, self.beside, strict=True) if alone]


@dataclass
class Results:
    """
    Everything that was measured.

    Attributes:
        about: the machine, by name.
        ledger: jobs, dead and so on.
        calls: Redis commands a second by the number of pages that are open while nothing is sent.
    """

    about: dict[str, str]
    ledger: dict[str, int]
    pages: list[PageTime] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    calls: dict[int, float] = field(default_factory=dict)
    watched: list[Watched] = field(default_factory=list)

    def write(self, file: Path) -> None:
        """Writes JSON with a page a line."""
        parts = [f' "{name}": {_shown(value)}' for name, value in asdict(self).items()]
        file.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")

    @classmethod
    def read(cls, file: Path = FILE) -> Self:
        found = json.loads(file.read_text(encoding="utf-8"))
        return cls(
            about=found["about"],
            ledger=found["ledger"],
            pages=[PageTime(**_spread(page, "idle", "busy")) for page in found["pages"]],
            views=[View(**view) for view in found["views"]],
            changes=[Change(**_spread(change, "shown")) for change in found["changes"]],
            calls={int(pages): calls for pages, calls in found["calls"].items()},
            watched=[Watched(**each) for each in found["watched"]],
        )


def _shown(value: Any) -> str:
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join(f"  {json.dumps(each)}" for each in value) + "\n ]"


def _spread(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return fields | {name: Spread(**fields[name]) for name in names}
