"""docs/explanation/crash-matrix.md and the scenarios say the same."""

from __future__ import annotations

import re

from chaos.checkpoints import BY_NAME as CHECKPOINTS
from chaos.matrix import BY_NAME, QUICK, SCENARIOS
from chaos.table import HEAD, PRICES
from tests.support.repository import ROOT

PAGE = (ROOT / "docs/explanation/crash-matrix.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:1] + lines[2:]]


def test_the_table_shows_every_scenario_in_order_and_none_broken() -> None:
    head, *lines = rows("The table")
    assert head == list(HEAD)
    assert [line[0] for line in lines] == [scenario.name for scenario in SCENARIOS if not scenario.priced]


def test_the_table_of_prices_shows_every_scenario_that_has_one() -> None:
    head, *lines = rows("What other configurations cost")
    assert head == list(PRICES)
    assert [line[0] for line in lines] == [scenario.name for scenario in SCENARIOS if scenario.priced]


def test_the_table_shows_nothing_lost_and_nothing_doubled_but_by_choice() -> None:
    lost, duplicate = HEAD.index("lost"), HEAD.index("duplicate")
    for line in rows("The table")[1:]:
        assert line[lost] == "0", line[0]
        assert line[duplicate] == "0" or BY_NAME[line[0]].duplicates_allowed, line[0]


def test_every_checkpoint_is_explained_as_in_the_code() -> None:
    explained = {line[0].strip("`"): line[1] for line in rows("Checkpoints")[1:]}
    assert explained == {name: checkpoint.meaning for name, checkpoint in CHECKPOINTS.items()}


def test_every_other_scenario_is_explained_as_in_the_code() -> None:
    explained = {line[0].strip("`"): line[1] for line in rows("The other scenarios")[1:]}
    at_checkpoints = {*CHECKPOINTS, *(f"{name}-of-three" for name in CHECKPOINTS)}
    others = {each.name: each.claim for each in SCENARIOS if each.name not in at_checkpoints}
    assert explained == others


def test_the_quick_scenarios_are_named() -> None:
    assert set(QUICK) <= set(BY_NAME)
    assert set(QUICK) == set(re.findall(r"`([a-z-]+)`", PAGE.split("`--quick` plays", 1)[1].split(".", 1)[0]))
