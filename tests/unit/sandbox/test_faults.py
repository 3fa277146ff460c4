from __future__ import annotations

import json

import pytest

from sandbox import contract, faults
from sandbox.conduct import Closed, Dribbled, HalfStatusLine, Reset, Stalled, Truncated, Whole, status_of
from sandbox.contract import Answer, Order, Widget
from sandbox.draws import digest
from sandbox.faults import FAULTS, ActiveFaults, Case, Stage

DUE = contract.created(Order("1", {}), Widget(1, "1", "wk_x", "2026-01-15T10:30:00.000Z"))

PROMISED = {
    "error-401": "401", "error-403": "403", "error-404-bot": "404", "error-422": "422", "error-429": "429",
    "error-500": "500", "error-500-after-create": "500", "error-502": "502", "error-503": "503",
    "error-504": "504", "error-504-after-create": "504", "no-company": "500", "html": "404",
    "redirect": "302", "status-0": "200", "status-0-after-create": "200", "no-key": "200",
    "not-json": "200", "truncated": "200", "slow-body": "200", "reset-before": "none",
    "reset-after-create": "none", "close-after-create": "none", "stall-after-create": "none",
    "half-status-line": "none",
}  # fmt: skip

CREATING = {
    "error-500-after-create", "error-504-after-create", "status-0-after-create", "no-key", "not-json",
    "truncated", "half-status-line", "reset-after-create", "close-after-create", "stall-after-create",
    "slow-body",
}  # fmt: skip


def answer_of(name: str, **case: float) -> Answer:
    conduct = FAULTS[name].play(Case(DUE, case.get("argument"), int(case.get("form", 0))))
    assert isinstance(conduct, Whole | Truncated | Dribbled)
    return conduct.answer


def test_every_fault_is_promised_here() -> None:
    assert set(FAULTS) == set(PROMISED)


@pytest.mark.parametrize("name", PROMISED)
def test_a_fault_answers_with_the_status_in_its_name(name: str) -> None:
    assert status_of(FAULTS[name].play(Case(DUE))) == PROMISED[name]


@pytest.mark.parametrize("name", PROMISED)
def test_a_fault_says_whether_a_widget_exists_after_it(name: str) -> None:
    assert FAULTS[name].creates == (name in CREATING)


@pytest.mark.parametrize("name", PROMISED)
def test_a_fault_has_a_meaning_of_one_sentence(name: str) -> None:
    meaning = FAULTS[name].meaning
    assert meaning.endswith(".")
    assert "\n" not in meaning


def test_faults_of_the_wire_go_silent_in_their_own_ways() -> None:
    case = Case(DUE)
    assert FAULTS["reset-before"].play(case) == FAULTS["reset-after-create"].play(case) == Reset()
    assert FAULTS["close-after-create"].play(case) == Closed()
    assert FAULTS["half-status-line"].play(case) == HalfStatusLine()
    assert FAULTS["stall-after-create"].play(Case(DUE, 1.5)) == Stalled(1.5)
    assert FAULTS["slow-body"].play(Case(DUE, 0.5)) == Dribbled(DUE, 0.5)


def test_no_key_spoils_nothing_but_the_key() -> None:
    due, spoilt = json.loads(DUE.body), json.loads(answer_of("no-key").body)
    del due["data"]["ApiKey"]
    assert spoilt == due


def test_status_0_says_failed_under_a_200() -> None:
    body = json.loads(answer_of("status-0").body)
    assert (body["status"], body["statusMessage"]) == (0, "failed")


def test_401_comes_in_its_three_shapes() -> None:
    assert len({answer_of("error-401", form=form).body for form in range(3)}) == 3


def test_the_argument_of_429_and_503_is_retry_after() -> None:
    for name in ("error-429", "error-503"):
        assert answer_of(name, argument=2).headers["Retry-After"] == "2"
        assert "Retry-After" not in answer_of(name).headers


@pytest.mark.parametrize("text", ["error-500=0.08", "error-429=1:2", "stall-after-create=0.5:0.25", "html=0"])
def test_a_chance_reads_as_it_was_written(text: str) -> None:
    chance = faults.parse(text)
    assert f"{chance.fault.name}={chance.odds}" == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("error-500", "NAME=PROBABILITY"),
        ("error-999=0.1", "no fault 'error-999'"),
        ("error-500=1.01", "between 0 and 1"),
        ("error-500=-0.1", "between 0 and 1"),
        ("error-500=nan", "between 0 and 1"),
        ("error-500=", "NAME=PROBABILITY"),
        ("error-500=0.1:3", "takes no argument"),
        ("error-429=0.1:soon", "no number"),
        ("error-429=0.1:", "no number"),
    ],
)
def test_a_chance_that_cannot_be_read_is_explained(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        faults.parse(text)


def test_a_fault_happens_as_often_as_it_says() -> None:
    active = ActiveFaults(1, [faults.parse("error-500=0.08")])
    hits = sum(active.drawn(Stage.WORK, digest(b"%d" % n), 1) is not None for n in range(10_000))
    assert 700 < hits < 900  # expected 800, standard deviation 27


def test_certainty_and_impossibility_are_exact() -> None:
    always, never = ActiveFaults(1, [faults.parse("html=1")]), ActiveFaults(1, [faults.parse("html=0")])
    for n in range(500):
        assert always.drawn(Stage.DOOR, digest(b"%d" % n), 1) is not None
        assert never.drawn(Stage.DOOR, digest(b"%d" % n), 1) is None


def test_the_same_body_may_fare_better_the_next_time() -> None:
    active = ActiveFaults(1, [faults.parse("error-500=0.5")])
    fates = [active.drawn(Stage.WORK, digest(b"x"), nth) is None for nth in range(1, 41)]
    assert {True, False} == set(fates)


def test_a_fault_named_twice_counts_as_named_last() -> None:
    active = ActiveFaults(1, [faults.parse("error-500=0.1"), faults.parse("error-500=0.9")])
    assert [chance.odds for chance in active] == ["0.9"]


def test_a_fault_strikes_at_its_own_stage_only() -> None:
    active = ActiveFaults(1, [faults.parse("error-500=1")])
    struck = [stage for stage in Stage if active.drawn(stage, digest(b"x"), 1)]
    assert struck == [Stage.WORK]
