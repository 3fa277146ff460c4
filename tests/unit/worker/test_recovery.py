"""What has stepped back comes forward again: the limit, and the budget for retries."""

from __future__ import annotations

import random

import pytest

from worker.limit import FLOOR, WINDOW, ConcurrencyLimit
from worker.retry_budget import SHARE, TRICKLE, RetryBudget


@pytest.mark.parametrize("refusals", range(1, 16))
def test_a_limit_grows_again_from_wherever_refusals_have_left_it(refusals: int) -> None:
    limit, now = ConcurrencyLimit(500), 0.0
    for _ in range(refusals):
        limit.see(now, 0.01, pushed_back=True, in_flight=limit.whole)
        now += 1.0
    low = limit.whole
    assert low >= FLOOR
    for _ in range(20):
        limit.see(now, 0.01, pushed_back=False, in_flight=limit.whole)
        now += WINDOW
    assert limit.whole > low


def test_after_a_collapse_the_limit_is_back_at_500_within_seventy_windows() -> None:
    limit, now = ConcurrencyLimit(500), 0.0
    for _ in range(20):
        limit.see(now, 0.01, pushed_back=True, in_flight=limit.whole)
        now += 1.0
    assert limit.whole == FLOOR
    windows = 0
    while limit.whole < 500:
        for _ in range(2):
            limit.see(now, 0.01, pushed_back=False, in_flight=limit.whole)
            now += WINDOW
        windows += 1
    assert windows <= 70


def test_a_retry_that_is_served_is_paid_back() -> None:
    budget = RetryBudget()
    while budget.wait(0.0) == 0:
        pass
    budget.served(0.0)
    assert budget.wait(0.0) == 0
    assert budget.wait(0.0) > 0


def backlog_after(seconds: int, *, failing: float, per_second: int = 1000) -> int:
    """Retries that wait for the budget after a time of first attempts at a steady pace."""
    chance, budget, waiting = random.Random(1), RetryBudget(), 0
    for step in range(seconds * per_second):
        now = step / per_second
        budget.first_attempt(now)
        waiting += chance.random() < failing
        while waiting and budget.wait(now) == 0:
            if chance.random() < failing:
                continue  # it waits again
            waiting -= 1
            budget.served(now)
    return waiting


def test_an_api_that_fails_three_in_ten_does_not_fill_a_worker_with_retries() -> None:
    assert backlog_after(30, failing=0.3) < 100


def test_an_api_that_fails_nine_in_ten_gets_no_more_retries_for_what_is_paid_back() -> None:
    # Of each retry a tenth is paid back, so 1 / 0.9 as many are made of the same budget.
    served_in_time = 30 * 1000 * 0.9 - backlog_after(30, failing=0.9)
    retries = served_in_time / 0.1
    assert retries <= (SHARE * 30_000 + TRICKLE * 40) / 0.9 * 1.1
