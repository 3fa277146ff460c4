from __future__ import annotations

import pytest

from sandbox.faults import FAULTS, Stage
from sandbox.scenarios import SCENARIOS


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_can_be_read(name: str) -> None:
    scenario = SCENARIOS[name]
    assert scenario.name == name
    assert scenario.pace().most < 1
    assert all(chance.probability > 0 for chance in scenario.chances())


def test_calm_is_calm() -> None:
    assert SCENARIOS["calm"].chances() == []


def test_an_outage_lets_nothing_through() -> None:
    (chance,) = SCENARIOS["outage"].chances()
    assert (chance.fault.name, chance.probability, chance.fault.stage) == ("error-503", 1, Stage.DOOR)


def test_the_demo_loses_an_answer_now_and_then_but_rarely() -> None:
    lost = sum(chance.probability for chance in SCENARIOS["demo"].chances() if chance.fault.creates)
    assert lost == pytest.approx(0.007)


def test_hostile_has_everything_but_what_would_rightly_halt_the_run() -> None:
    named = {chance.fault.name for chance in SCENARIOS["hostile"].chances()}
    assert set(FAULTS) - named == {"error-401", "no-company", "html", "redirect"}
