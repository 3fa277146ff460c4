"""Named sets of faults, as a short form of several options."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox import faults
from sandbox.faults import Chance
from sandbox.pace import Latency


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    A behaviour of the API.

    Attributes:
        meaning: one line for people.
        latency: seconds before an answer, as `--latency` takes it.
        faults: as `--fault` takes them.
    """

    name: str
    meaning: str
    latency: str
    faults: tuple[str, ...] = ()

    def pace(self) -> Latency:
        return Latency.parse(self.latency)

    def chances(self) -> list[Chance]:
        return [faults.parse(text) for text in self.faults]


_HOSTILE_ARGUMENTS = {
    "error-503": ":1",  # a short Retry-After: hostile, not tedious
    "error-429": ":1",
    "stall-after-create": ":2",
    "slow-body": ":0.5",
}
# These say that the credential or the address is wrong, upon which a good client rightly stops everything.
_HALTING = ("error-401", "no-company", "html", "redirect")

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("calm", "Every good request is answered at once and well.", latency="0"),
        Scenario(
            "demo",
            "An ordinary day: some 500s, a few limits, very rarely an answer that is lost.",
            latency="0.02-0.12",
            faults=(
                "error-500=0.08",
                "error-429=0.01:1",
                "error-503=0.01",
                "reset-after-create=0.004",
                "close-after-create=0.003",
            ),
        ),
        Scenario(
            "rough",
            "A bad day: a tenth of the requests fail with 500, some rows are refused.",
            latency="0.01-0.05",
            faults=("error-500=0.1", "error-422=0.02"),
        ),
        Scenario(
            "hostile",
            "A little of everything that leaves credential and address in good repute.",
            latency="0-0.02",
            faults=tuple(
                f"{name}=0.01{_HOSTILE_ARGUMENTS.get(name, '')}"
                for name in faults.FAULTS
                if name not in _HALTING
            ),
        ),
        Scenario("outage", "Every request is answered 503, at once.", latency="0", faults=("error-503=1",)),
    )
}
