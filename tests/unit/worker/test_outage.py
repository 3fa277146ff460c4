"""An outage is told from bad luck."""

from __future__ import annotations

import pytest

from provisioning.attempt import Outcome
from worker.outage import FOR_SURE, IN_A_ROW, SECONDS, Outage


def fail(outage: Outage, count: int, *, begin: float = 0.0, seconds: float = 0.0) -> bool:
    down = False
    for n in range(count):
        down = outage.see(Outcome.FAILED, 503, begin + seconds * n / max(1, count - 1))
    return down


def test_a_few_failures_at_once_are_bad_luck() -> None:
    assert not fail(Outage(), IN_A_ROW * 3)


def test_failures_in_a_row_that_last_are_an_outage() -> None:
    assert fail(Outage(), IN_A_ROW, seconds=SECONDS)


def test_very_many_in_a_row_are_one_however_quick() -> None:
    assert fail(Outage(), FOR_SURE)


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(Outcome.CREATED, 200), (Outcome.REJECTED, 422), (Outcome.DENIED, 401), (Outcome.UNPROCESSED, 429)],
)
def test_an_answer_that_makes_sense_ends_the_row(outcome: Outcome, status: int) -> None:
    outage = Outage()
    fail(outage, FOR_SURE - 1)
    assert not outage.see(outcome, status, 0.0)
    assert not fail(outage, FOR_SURE - 1)


def test_silence_counts_like_failure() -> None:
    outage = Outage()
    for second in range(IN_A_ROW):
        down = outage.see(Outcome.IN_DOUBT, None, float(second))
    assert down


def test_once_the_brake_is_off_a_lone_failure_is_bad_luck_again() -> None:
    outage = Outage()
    fail(outage, FOR_SURE)
    outage.let_through(trial=False)
    assert not outage.see(Outcome.FAILED, 500, 9.0)


def test_what_fails_as_a_trial_is_the_outages_fault() -> None:
    outage = Outage()
    outage.let_through(trial=True)
    assert outage.see(Outcome.FAILED, 500, 9.0)
