"""docs/explanation/manners.md says what the code does, number by number."""

from __future__ import annotations

import importlib
import json
import re
from typing import Any

import pytest

from provisioning.settings import PREFIX, Settings
from tests.docs.pages import ROOT
from worker import brakes, limit, outage, retry_budget
from worker.classify import LONGEST_RETRY_AFTER_SECONDS
from worker.limit import ConcurrencyLimit

PAGE = ROOT / "docs" / "explanation" / "manners.md"
TEXT = PAGE.read_text(encoding="utf-8")
SENTENCES = " ".join(TEXT.split())
RUN: dict[str, Any] = json.loads((PAGE.parent / "outage.json").read_text(encoding="utf-8"))

NUMBER = r"([\d.]+)"
CONSTANTS = re.findall(rf"^\| `(\w+)\.([A-Z_]+)` \| {NUMBER} \|", TEXT, re.MULTILINE) + re.findall(
    rf"`(\w+)\.([A-Z_]+)` = {NUMBER}", TEXT
)
SETTINGS = re.findall(rf"^\| `{PREFIX}([A-Z_]+)` \| {NUMBER} \|", TEXT, re.MULTILINE) + [
    (name, number)
    for number, name in re.findall(rf"{NUMBER} \(`{PREFIX}([A-Z_]+)`\)", TEXT)
] + re.findall(rf"`{PREFIX}([A-Z_]+)`\s\({NUMBER} unless set\)", SENTENCES)  # fmt: skip


def constant(module: str, name: str) -> float:
    room = "provisioning" if module == "pace" else "worker"
    return float(getattr(importlib.import_module(f"{room}.{module}"), name))


@pytest.mark.parametrize(("module", "name", "said"), CONSTANTS)
def test_every_constant_on_the_page_is_that_of_the_code(module: str, name: str, said: str) -> None:
    assert float(said) == constant(module, name)


@pytest.mark.parametrize(("name", "said"), SETTINGS)
def test_every_default_on_the_page_is_that_of_the_settings(name: str, said: str) -> None:
    assert float(said) == Settings.model_fields[name.lower()].default


def test_the_default_pace_on_the_page_is_that_of_the_settings() -> None:
    assert f"`{PREFIX}RATE` ({Settings.model_fields['rate'].default} unless set)" in SENTENCES


@pytest.mark.parametrize("module", [limit, outage, retry_budget])
def test_no_constant_that_steers_is_left_out(module: Any) -> None:
    word = module.__name__.rpartition(".")[2]
    numbers = {
        name for name in vars(module) if name.isupper() and isinstance(vars(module)[name], int | float)
    }
    assert numbers == {name for said_of, name, _ in CONSTANTS if said_of == word}


def test_the_numbers_in_sentences_follow_from_the_constants() -> None:
    assert f"× {limit.BACK_OFF}" in SENTENCES
    assert f"× {limit.EASE_OFF}" in SENTENCES
    assert f"{limit.FIRST} a worker at first" in SENTENCES
    assert LONGEST_RETRY_AFTER_SECONDS == 7 * 24 * 3600
    assert "more than a week is cut to one" in SENTENCES
    assert constant("pace", "BURST") + constant("line", "STALE") == pytest.approx(1 / 5)
    assert "at most a fifth more" in SENTENCES
    assert f"{canaries(600.0)} canaries" in SENTENCES


def canaries(seconds: float) -> int:
    """How many go in an outage of so many seconds."""
    at, pause, count = 0.0, brakes.CANARY_AFTER, 0
    while (at := at + pause) <= seconds:
        count, pause = count + 1, min(pause * 2, brakes.LONGEST_PAUSE)
    return count


def test_the_way_back_from_one_to_five_hundred_takes_as_many_windows_as_said() -> None:
    found = ConcurrencyLimit(500)
    for step in range(50):
        found.see(float(step), 0.01, pushed_back=True, in_flight=found.whole)
    assert found.whole == 1
    windows, now = 0, 1000.0
    while found.whole < 500:
        for later in (0.0, limit.WINDOW):
            found.see(now + later, 0.01, pushed_back=False, in_flight=found.whole)
        windows, now = windows + 1, now + 1.0
    [said] = re.findall(r"takes some (\d+) windows", SENTENCES)
    assert windows == pytest.approx(int(said), abs=3)


@pytest.mark.parametrize("script", ["brake.lua", "tried.lua"])
def test_the_ramp_goes_by_tens_up_to_a_hundred(script: str) -> None:
    lua = (ROOT / "provisioning" / "ledger" / "lua" / script).read_text(encoding="utf-8")
    assert ("'stage', 1, 'permits', 0, 'good', 0, 'top', 100" in lua) or ("stage * 10" in lua)
    assert "bad * 2 <= stage" in lua or script == "brake.lua"


# --- The run that is drawn ---


def posts(phase: int) -> int:
    return int(RUN["phases"][phase]["posts"])


def test_the_run_that_is_drawn_made_no_dead_letter_and_lost_no_job() -> None:
    assert RUN["end"]["dead"] == 0
    assert RUN["end"]["conserved"]


def test_the_numbers_of_the_run_are_those_that_the_page_tells() -> None:
    told = [int(number.replace(",", "")) for number in re.findall(r"\*\*([\d,]+)\*\*", TEXT)]
    assert told == [posts(2), RUN["end"]["in_doubt"], RUN["end"]["dead"]]


def test_the_run_never_went_faster_than_the_page_says() -> None:
    most = 1 + constant("pace", "BURST") + constant("line", "STALE")
    # The sandbox notes an arrival when it is awake to do so: on a busy machine some come late, and together.
    assert RUN["end"]["fullest_second"] <= RUN["pace"] * most * 1.1
