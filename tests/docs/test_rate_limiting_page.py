"""docs/explanation/rate-limiting.md says what the code does, number by number."""

from __future__ import annotations

import importlib
import json
import math
import re
from typing import Any

import pytest

from provisioning import learned_rate
from provisioning.config.settings import PREFIX, Settings
from provisioning.ledger import limits as ledger_limits
from tests.support.repository import ROOT
from worker.execution import flow_control
from worker.execution.classify import LONGEST_RETRY_AFTER_SECONDS
from worker.flow import concurrency_limit, failure_detector, probing, refusals
from worker.flow.concurrency_limit import ConcurrencyLimit
from worker.flow.failure_detector import FailureDetector

PAGE = ROOT / "docs" / "explanation" / "rate-limiting.md"
TEXT = PAGE.read_text(encoding="utf-8")
SENTENCES = " ".join(TEXT.split())
RUN: dict[str, Any] = json.loads((PAGE.parent / "outage.json").read_text(encoding="utf-8"))

NUMBER = r"([\d.]+)"
CONSTANTS = re.findall(r"^\| `(\w+)\.([A-Z_]+)` \| ([\d., ]+) \|", TEXT, re.MULTILINE) + re.findall(
    rf"`(\w+)\.([A-Z_]+)` = {NUMBER}", TEXT
)
SETTINGS = re.findall(rf"^\| `{PREFIX}([A-Z_]+)` \| {NUMBER} \|", TEXT, re.MULTILINE) + [
    (name, number)
    for number, name in re.findall(rf"{NUMBER} \(`{PREFIX}([A-Z_]+)`\)", TEXT)
] + re.findall(rf"`{PREFIX}([A-Z_]+)`\s\({NUMBER} unless set\)", SENTENCES)  # fmt: skip


def constant(module: str, name: str) -> Any:
    paths = [path for room in ("provisioning", "worker") for path in (ROOT / room).rglob(f"{module}.py")]
    modules = [
        importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)) for path in paths
    ]
    [known] = [getattr(module, name) for module in modules if hasattr(module, name)]
    return known


@pytest.mark.parametrize(("module", "name", "said"), CONSTANTS)
def test_every_constant_on_the_page_is_that_of_the_code(module: str, name: str, said: str) -> None:
    known = constant(module, name)
    numbers = known if isinstance(known, tuple) else (known,)
    assert [float(number) for number in said.split(", ")] == [round(number, 3) for number in numbers]


@pytest.mark.parametrize(("name", "said"), SETTINGS)
def test_every_default_on_the_page_is_that_of_the_settings(name: str, said: str) -> None:
    assert float(said) == Settings.model_fields[name.lower()].default


def test_the_default_pace_on_the_page_is_that_of_the_settings() -> None:
    assert f"`{PREFIX}RATE` ({Settings.model_fields['rate'].default} unless set)" in SENTENCES


@pytest.mark.parametrize(
    "module", [concurrency_limit, failure_detector, probing, refusals, learned_rate, flow_control]
)
def test_no_constant_that_steers_is_left_out(module: Any) -> None:
    word = module.__name__.rpartition(".")[2]
    # `NOTHING` is what a worker has counted that has counted nothing.
    numbers = {
        name for name in vars(module) if name.isupper() and _is_number(vars(module)[name])
    } - {"NOTHING"}  # fmt: skip
    assert numbers == {name for said_of, name, _ in CONSTANTS if said_of == word}


def _is_number(value: object) -> bool:
    if isinstance(value, tuple):
        return all(_is_number(each) for each in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def test_the_numbers_in_sentences_about_pace_and_retries_follow_from_the_constants() -> None:
    assert LONGEST_RETRY_AFTER_SECONDS == 7 * 24 * 3600
    assert "more than a week is cut to one" in SENTENCES
    assert constant("pace", "BURST") + constant("pacer", "STALE") == pytest.approx(1 / 5)
    assert "at most a fifth more" in SENTENCES
    assert f"{concurrency_limit.FIRST} a worker at first" in SENTENCES


def test_the_numbers_in_sentences_about_the_limit_follow_from_the_constants() -> None:
    assert f"slower than usual | × {concurrency_limit.EASE_OFF} |" in SENTENCES
    assert f"less than {concurrency_limit.NOTICED:.0%} push back" in SENTENCES
    assert f"| {concurrency_limit.NOTICED:.0%} or more push back" in SENTENCES
    assert f"refusals from {ledger_limits.NOTICED:.0%} on" in SENTENCES
    assert f"or × {concurrency_limit.GROWTH} until the first bad sign" in SENTENCES
    assert concurrency_limit.GROWTH == 1.5
    assert "One goes up by half" in SENTENCES
    assert concurrency_limit.LEAST_STEP == 0.1
    assert "and by a tenth at least" in SENTENCES
    assert concurrency_limit.PAYS == 0.5
    assert "has grown by half as much as the limit" in SENTENCES
    assert f"1, 2, 4 and at most {concurrency_limit.LONGEST_REST} windows pass" in SENTENCES


def test_what_sentences_tell_of_a_learned_rate_follows_from_the_constants() -> None:
    assert f"(1 + {learned_rate.STEP} × (2^t − 1))" in SENTENCES
    growing = math.log2((learned_rate.FORGOTTEN - 1) / learned_rate.STEP + 1)
    guessed, measured = learned_rate.FIRST_REST + growing, learned_rate.REST + growing
    assert f"forgotten {guessed:.0f} s after the burst, or {measured:.0f} s after" in SENTENCES
    assert learned_rate.NOISE == 2
    assert "twice the rate proves wrong" in SENTENCES
    assert learned_rate.OVERSHOT < 0.1
    assert "refuses one in ten at any speed" in SENTENCES


def test_what_sentences_tell_of_an_outage_follows_from_the_constants() -> None:
    assert f"ln({failure_detector.DOWN} / {failure_detector.BAD_LUCK})" in SENTENCES
    assert f"ln({1 - failure_detector.BAD_LUCK} / {1 - failure_detector.DOWN:.2f})" in SENTENCES
    assert f"ln({1 - failure_detector.FALSE_ALARM} / {failure_detector.FALSE_ALARM})" in SENTENCES
    assert round(failure_detector.BACK / failure_detector.STEP) == 6
    assert "some six failures" in SENTENCES
    assert failure_detector.PROBES == 2
    assert "The first two go at once" in SENTENCES
    assert failure_detector.FAILURES == 8
    assert "for the first eight" in SENTENCES
    assert f"{failure_detector.PART:.0%} of the outage so far, between" in SENTENCES
    shortest, longest = failure_detector.SHORTEST_PAUSE, failure_detector.LONGEST_PAUSE
    assert f"between {shortest:g} s and {longest:g} s" in SENTENCES
    assert f"(reason `{probing.HANDED_BACK}`)" in SENTENCES
    assert f"ten-minute outage costs a worker {probes(600.0)} probes" in SENTENCES
    assert f"the limit is {concurrency_limit.FIRST} at most" in SENTENCES


def probes(seconds: float) -> int:
    """How many go in an outage of so many seconds, each of them failing at once."""
    detector = FailureDetector()
    for _ in range(failure_detector.FAILURES):
        detector.see(alive=False, fresh=True, sent_at=0.0, now=0.0)
    sent = 0
    while (now := detector.next_probe) <= seconds:
        due = detector.probes_due(now)
        detector.probes_sent(due, now)
        for _ in range(due):
            detector.probe_ended(failed=True)
        sent += due
    return sent


def test_the_way_up_takes_as_many_windows_as_said() -> None:
    assert f"From its beginning to 500 takes {windows(ConcurrencyLimit(500), 500)} windows" in SENTENCES
    refused = ConcurrencyLimit(500)
    for step in range(50):
        for later in (0.0, concurrency_limit.WINDOW):
            refused.see(step + later, 0.01, pushed_back=True, in_flight=refused.whole)
    assert refused.whole == concurrency_limit.FLOOR
    [said, seconds] = map(
        int, re.findall(r"from 1 back to 500, after a bad time, some (\d+): (\d+) s", SENTENCES)[0]
    )
    assert windows(refused, 500) == pytest.approx(said, abs=3)
    assert seconds == round(said * concurrency_limit.WINDOW)


def windows(found: ConcurrencyLimit, wanted: int) -> int:
    """How many it takes to get there, where the API answers as many as are sent at once, and well."""
    count = 0
    while found.whole < wanted:
        sent, began = found.whole, 1000.0 + count
        for number in range(sent):
            found.see(
                began + number / sent * concurrency_limit.WINDOW / 2, 0.01, pushed_back=False, in_flight=sent
            )
        found.see(began + concurrency_limit.WINDOW, 0.01, pushed_back=False, in_flight=sent)
        count += 1
    return count


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
    most = 1 + constant("pace", "BURST") + constant("pacer", "STALE")
    # The sandbox notes an arrival when it is awake to do so: on a busy machine some come late, and together.
    assert RUN["end"]["fullest_second"] <= RUN["pace"] * most * 1.1
