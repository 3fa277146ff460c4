"""Retries cannot double the load of an API that is failing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.retry_budget import SAVED, SHARE, TRICKLE, RetryBudget


def spend_all(budget: RetryBudget, now: float) -> int:
    count = 0
    while budget.wait(now) == 0:
        count += 1
    return count


def test_retries_cost_at_most_a_fifth_of_the_first_attempts_beside_the_trickle() -> None:
    budget = RetryBudget()
    retries = 0
    for step in range(10_000):
        now = step / 1000
        budget.first_attempt(now)
        retries += spend_all(budget, now)
    assert retries <= SHARE * 10_000 + TRICKLE * 10 + TRICKLE + 1
    assert retries >= SHARE * 10_000


def test_without_first_attempts_a_trickle_is_left() -> None:
    budget = RetryBudget()
    spend_all(budget, 0.0)
    retries = sum(spend_all(budget, step / 100) for step in range(1, 501))
    assert TRICKLE * 5 - 1 <= retries <= TRICKLE * 5 + 1


def test_the_wait_that_is_said_is_long_enough() -> None:
    budget = RetryBudget()
    spend_all(budget, 0.0)
    wait = budget.wait(0.0)
    assert wait > 0
    assert budget.wait(wait + 1e-9) == 0


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=200))
def test_what_is_saved_up_is_bounded(steps: list[tuple[float, bool]]) -> None:
    budget, now, firsts = RetryBudget(), 0.0, 0
    for pause, first in steps:
        now += pause
        if first:
            firsts += 1
            budget.first_attempt(now)
        assert budget.wait(now) >= 0
        assert budget.balance <= SAVED * TRICKLE + SHARE * firsts + 1
