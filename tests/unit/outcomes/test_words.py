"""Numbers, times, states and answers in words."""

from __future__ import annotations

import doctest

import pytest

from outcomes import words
from outcomes.words import amount, answer, duration, short_clock, shown, state_of, widgets
from provisioning.attempt import Attempt, Bounds, Evidence, Outcome
from provisioning.errors import InvalidInputError
from provisioning.lifecycle import State


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1_234_567, "1,234,567 rows")]
)
def test_an_amount_agrees_with_its_noun(count: int, said: str) -> None:
    assert str(amount(count, "row")) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.04 s"),
        (1.25, "1.2 s"),
        (12.4, "12 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7_500, "2 h 5 min"),
    ],
)
def test_a_duration_is_as_exact_as_it_is_short(seconds: float, said: str) -> None:
    assert str(duration(seconds)) == said


def test_a_short_clock_names_the_year_of_another_year_only() -> None:
    assert len(str(short_clock(1_000_000, now=1_000_100))) == 12
    assert str(short_clock(0, now=2e9)).endswith(("1970", "1969"))


@pytest.mark.parametrize(
    ("bounds", "jobs", "said"),
    [
        (Bounds(0, 0), 1, "no widget exists for 1 row"),
        (Bounds(1, 1), 1, "exactly 1 widget exists for 1 row"),
        (Bounds(9, 9), 10, "exactly 9 widgets exist for 10 rows"),
        (Bounds(9_998, 10_004), 10_000, "between 9,998 and 10,004 widgets exist for 10,000 rows"),
    ],
)
def test_bounds_are_a_sentence(bounds: Bounds, jobs: int, said: str) -> None:
    assert str(widgets(bounds, jobs)) == said


@pytest.mark.parametrize(
    ("status", "evidence", "outcome", "error", "said"),
    [
        (200, Evidence.ANSWERED, Outcome.CREATED, "", "200 created"),
        (500, Evidence.ANSWERED, Outcome.FAILED, "http_500", "500"),
        (404, Evidence.ANSWERED, Outcome.REJECTED, "bot_not_found", "404 bot_not_found"),
        (200, Evidence.STATUS_SEEN, Outcome.IN_DOUBT, "truncated_answer", "200 truncated_answer"),
        (None, Evidence.SENT, Outcome.IN_DOUBT, "read_timeout", "no answer: read_timeout"),
        (None, Evidence.NOTHING_SENT, Outcome.UNPROCESSED, "dns_failure", "not sent: dns_failure"),
    ],
)
def test_an_attempt_says_what_came_back(
    status: int | None, evidence: Evidence, outcome: Outcome, error: str, said: str
) -> None:
    attempt = Attempt(1, 0.0, 0.1, outcome, evidence, status, error)
    assert str(answer(attempt)) == said


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("dead", State.DEAD),
        ("in_doubt", State.IN_DOUBT),
        ("in-doubt", State.IN_DOUBT),
        ("In doubt", State.IN_DOUBT),
        ("succeeded", State.SUCCEEDED),
        ("created", State.SUCCEEDED),
    ],
)
def test_a_state_is_understood_as_people_write_it(text: str, state: State) -> None:
    assert state_of(text) is state


def test_a_state_that_is_none_is_answered_with_all_there_are() -> None:
    with pytest.raises(InvalidInputError) as caught:
        state_of("lost")
    assert all(state in caught.value.hint for state in State)


def test_somebodys_text_cannot_steer_the_terminal() -> None:
    assert shown("\x1b[2Jgone\r\n\udcff") == "\\x1b[2Jgone\\r\\n\\xff"
    assert shown("Joyería [bold]日本[/]") == "Joyería [bold]日本[/]"


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(words).failed == 0
