"""Which jobs an option means; examples in docstrings are true."""

from __future__ import annotations

import doctest
from datetime import datetime
from types import ModuleType

import pytest

from console.cli import selecting
from console.cli.selecting import Filters, moment, reason_to_accept
from outcomes import masking, reconciliation
from provisioning import causes
from provisioning.errors import InvalidInputError
from provisioning.lifecycle import State

NOW = 1_800_000_000.0


@pytest.mark.parametrize("module", [masking, reconciliation, selecting, causes])
def test_the_examples_in_docstrings_are_true(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert (result.failed, result.attempted > 0) == (0, True)


def test_a_time_is_an_age_or_a_day_or_a_moment() -> None:
    assert moment("2h", NOW) == NOW - 7200
    assert moment("2026-11-23", NOW) == datetime(2026, 11, 23).timestamp()
    assert moment("2026-11-23T14:30:00Z", NOW) == 1795444200.0


@pytest.mark.parametrize("text", ["", "yesterday", "2x", "-2h", "2026-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        moment(text, NOW)


def test_no_option_means_every_job_of_the_state() -> None:
    wanted = Filters().of(State.DEAD, now=NOW)
    assert (wanted.reason, wanted.since, wanted.until) == ("", None, None)


@pytest.mark.parametrize(("flag", "justification"), [(True, ""), (True, "  "), (False, "why")])
def test_a_second_widget_is_accepted_with_a_reason_or_not_at_all(flag: bool, justification: str) -> None:
    with pytest.raises(InvalidInputError):
        reason_to_accept(flag, justification)
