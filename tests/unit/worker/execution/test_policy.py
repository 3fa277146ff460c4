from __future__ import annotations

import doctest

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from provisioning.attempt import Outcome
from provisioning.errors import ConfigurationError
from provisioning.lifecycle import TRANSITIONS, Event, State
from worker.classification import Classification
from worker.execution import policy as policy_module
from worker.execution.policy import (
    Defer,
    Draw,
    Finish,
    Halt,
    Retry,
    RetryPolicy,
    decide,
    delay_ceiling,
    next_delay,
)


def drawing(chance: float) -> Draw:
    return lambda: chance


HALF = drawing(0.5)

seconds = st.floats(0, 1000)
chances = st.floats(0, 1, exclude_max=True)
policies = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 20),
    backoff=st.floats(0, 100),
    factor=st.floats(1, 10),
    cap=seconds,
    budget=seconds,
    retry_after_cap=seconds,
    on_in_doubt=st.sampled_from(["hold", "retry"]),
)
findings = st.builds(
    Classification, outcome=st.sampled_from(Outcome), cause=st.just("cause"), retry_after=st.none() | seconds
)


def test_the_formula_in_the_docstring_is_the_formula() -> None:
    assert doctest.testmod(policy_module).failed == 0
    assert doctest.testmod(policy_module).attempted > 0


def test_the_default_ceilings_double_from_half_a_second_to_thirty() -> None:
    ceilings = [delay_ceiling(attempt, RetryPolicy()) for attempt in range(1, 9)]
    assert ceilings == [0.5, 1, 2, 4, 8, 16, 30, 30]


@given(st.integers(1, 5000), policies, chances)
def test_a_backoff_lies_between_zero_and_the_cap(attempt: int, policy: RetryPolicy, chance: float) -> None:
    assert 0 <= next_delay(attempt, None, policy, drawing(chance)) <= policy.cap


@given(st.integers(1, 5000), policies)
def test_the_ceiling_never_falls_as_attempts_go_by(attempt: int, policy: RetryPolicy) -> None:
    assert delay_ceiling(attempt, policy) <= delay_ceiling(attempt + 1, policy)


@given(st.integers(1, 50), policies, chances)
def test_the_jitter_is_full(attempt: int, policy: RetryPolicy, chance: float) -> None:
    delay = next_delay(attempt, None, policy, drawing(chance))
    assert delay == pytest.approx(chance * delay_ceiling(attempt, policy))


@given(st.integers(1, 50), st.floats(0, 1e9, exclude_min=True), policies, chances)
def test_the_servers_wish_wins_up_to_its_cap(
    attempt: int, asked: float, policy: RetryPolicy, chance: float
) -> None:
    assert next_delay(attempt, asked, policy, drawing(chance)) == min(asked, policy.retry_after_cap)


def test_a_wish_for_no_wait_at_all_is_left_to_the_backoff() -> None:
    assert next_delay(3, 0.0, RetryPolicy(), HALF) == next_delay(3, None, RetryPolicy(), HALF)


def test_attempts_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        next_delay(0, None, RetryPolicy(), HALF)


@given(findings, st.integers(1, 30), seconds, policies, chances)
def test_no_retry_is_scheduled_past_the_attempts_or_the_budget(
    meant: Classification, attempt: int, elapsed: float, policy: RetryPolicy, chance: float
) -> None:
    decision = decide(meant, attempt, elapsed, policy, drawing(chance))
    if isinstance(decision, Retry):
        assert attempt < policy.attempts
        assert elapsed + decision.delay <= policy.budget
    if isinstance(decision, Defer):
        assert attempt < policy.attempts
        assert decision.delay == meant.retry_after


@given(findings, st.integers(1, 30), seconds, policies, chances)
def test_only_what_may_be_repeated_is_repeated(
    meant: Classification, attempt: int, elapsed: float, policy: RetryPolicy, chance: float
) -> None:
    repeatable = {Outcome.UNPROCESSED, Outcome.FAILED}
    if policy.on_in_doubt == "retry":
        repeatable.add(Outcome.IN_DOUBT)
    decision = decide(meant, attempt, elapsed, policy, drawing(chance))
    if isinstance(decision, Retry | Defer):
        assert meant.outcome in repeatable


@given(findings, st.integers(1, 30), seconds, policies, chances)
def test_every_end_is_one_that_a_sending_job_can_take(
    meant: Classification, attempt: int, elapsed: float, policy: RetryPolicy, chance: float
) -> None:
    decision = decide(meant, attempt, elapsed, policy, drawing(chance))
    if isinstance(decision, Finish):
        assert (State.SENDING, decision.event) in TRANSITIONS
        assert decision.reason


@pytest.mark.parametrize(
    ("meant", "decision"),
    [
        (Classification(Outcome.CREATED), Finish(Event.CREATED, "created")),
        (Classification(Outcome.REJECTED, "bot_not_found"), Finish(Event.REJECTED, "bot_not_found")),
        (Classification(Outcome.DENIED, "unauthorized"), Halt("credential", "unauthorized")),
        (Classification(Outcome.MISDIRECTED, "redirected"), Halt("target", "redirected")),
        (Classification(Outcome.IN_DOUBT, "http_504"), Finish(Event.DOUBTED, "http_504")),
        (Classification(Outcome.FAILED, "http_500"), Retry(0.25, "http_500")),
        (Classification(Outcome.UNPROCESSED, "dns_failure"), Retry(0.25, "dns_failure")),
        (Classification(Outcome.UNPROCESSED, "rate_limited", retry_after=60), Retry(60, "rate_limited")),
        (Classification(Outcome.UNPROCESSED, "rate_limited", retry_after=61), Defer(61, "rate_limited")),
    ],
)
def test_each_outcome_of_a_first_attempt_has_its_decision(meant: Classification, decision: object) -> None:
    assert decide(meant, 1, 0.0, RetryPolicy(), HALF) == decision


def test_the_sixth_failure_is_the_last() -> None:
    failed = Classification(Outcome.FAILED, "http_500")
    assert decide(failed, 6, 20.0, RetryPolicy(), HALF) == Finish(Event.EXHAUSTED, "http_500")


def test_a_spent_budget_ends_a_job_that_has_attempts_left() -> None:
    failed = Classification(Outcome.FAILED, "http_500")
    assert decide(failed, 2, 120.0, RetryPolicy(), HALF) == Finish(Event.EXHAUSTED, "http_500")
    assert decide(failed, 2, 119.9, RetryPolicy(), HALF) == Finish(Event.EXHAUSTED, "http_500")


def test_a_wait_that_the_server_asked_for_is_deferred_when_the_budget_cannot_hold_it() -> None:
    limited = Classification(Outcome.UNPROCESSED, "rate_limited", retry_after=30)
    assert decide(limited, 2, 100.0, RetryPolicy(), HALF) == Defer(30, "rate_limited")


def test_doubts_are_retried_only_by_choice_and_stay_doubts_when_attempts_run_out() -> None:
    doubt = Classification(Outcome.IN_DOUBT, "read_timeout")
    chosen = RetryPolicy(on_in_doubt="retry")
    assert decide(doubt, 1, 0.0, chosen, HALF) == Retry(0.25, "read_timeout")
    assert decide(doubt, 6, 0.0, chosen, HALF) == Finish(Event.DOUBTED, "read_timeout")


@given(policies, chances)
def test_a_job_that_always_fails_comes_to_an_end(policy: RetryPolicy, chance: float) -> None:
    assume(policy.attempts <= 20)
    elapsed, attempt = 0.0, 1
    while isinstance(
        decision := decide(
            Classification(Outcome.FAILED, "http_500"), attempt, elapsed, policy, drawing(chance)
        ),
        Retry,
    ):
        elapsed += decision.delay
        attempt += 1
    assert decision == Finish(Event.EXHAUSTED, "http_500")
    assert attempt <= policy.attempts
    assert elapsed <= policy.budget


@pytest.mark.parametrize(
    "wrong", [{"attempts": 0}, {"factor": 0.5}, {"cap": -1.0}, {"budget": -1.0}, {"on_in_doubt": "maybe"}]
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        RetryPolicy(**wrong)  # type: ignore[arg-type]
