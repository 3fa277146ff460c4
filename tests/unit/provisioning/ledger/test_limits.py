"""What workers say of their settings, together."""

from __future__ import annotations

from provisioning.ledger import WorkerSign
from provisioning.ledger.limits import differing_settings, usual_rate
from provisioning.pace import Rate


def worker(**settings: str) -> WorkerSign:
    return WorkerSign("w", 0.0, 0, 0, 0, settings=settings)


def test_settings_differ_if_two_workers_have_other_values_and_not_if_one_has_none() -> None:
    assert differing_settings([]) == []
    assert differing_settings([worker(rate="5/s"), worker(rate="5/s", lease="30"), worker()]) == []
    assert differing_settings([worker(rate="5/s", lease="30"), worker(rate="6/s", lease="9")]) == [
        "lease",
        "rate",
    ]


def test_the_usual_rate_is_that_of_all_workers_or_none() -> None:
    assert usual_rate([]) is None
    assert usual_rate([worker(rate="5/s"), worker(rate="5/s")]) == Rate(5.0)
    assert usual_rate([worker(rate="5/s"), worker(rate="6/s")]) is None
    assert usual_rate([worker(rate="5/s"), worker()]) is None
