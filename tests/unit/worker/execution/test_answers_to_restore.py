"""The recent answers: which are recorded again, and in which order."""

from __future__ import annotations

from provisioning.attempt import Attempt, Bounds, Evidence, Outcome
from provisioning.ledger import Answered, Claim
from provisioning.lifecycle import Event
from tests.support.ledger_fixtures import Clock
from worker.execution.answers_to_restore import KEPT_SECONDS, AnswersToRestore


def job(number: int) -> Claim:
    return Claim(number=number, token=7, key="k", credential="c", row=2, attempts=0, body=b"{}", batch="b")


def said(number: int, n: int) -> Answered:
    attempt = Attempt(
        n=n, at=0.0, seconds=0.1, outcome=Outcome.FAILED, evidence=Evidence.ANSWERED, worker="w"
    )
    return Answered(number, 7, Event.RETRY_DUE, "error_500", Bounds(0, 0), attempt)


def recent_of(*entries: tuple[int, int], clock: Clock | None = None) -> AnswersToRestore:
    recent = AnswersToRestore(clock or Clock())
    recent.on = True
    for number, n in entries:
        recent.add(job(number), said(number, n))
    return recent


def told(recent: AnswersToRestore) -> list[list[tuple[int, int]]]:
    return [[(claim.number, answer.attempt.n) for claim, answer in each] for each in recent.take()]


def test_answers_of_one_job_are_told_in_their_order() -> None:
    assert told(recent_of((1, 1), (2, 1), (1, 2), (1, 3), (2, 2))) == [
        [(1, 1), (2, 1)],
        [(1, 2), (2, 2)],
        [(1, 3)],
    ]


def test_what_is_older_is_not_told() -> None:
    clock = Clock()
    recent = recent_of((1, 1), clock=clock)
    clock.advance(KEPT_SECONDS - 1)
    recent.add(job(2), said(2, 1))
    clock.advance(2)
    recent.drop_old()
    assert told(recent) == [[(2, 1)]]


def test_what_was_recorded_before_redis_went_away_is_told_however_long_that_lasts() -> None:
    clock = Clock()
    recent = recent_of((1, 1), (1, 2), clock=clock)
    clock.advance(10 * KEPT_SECONDS)
    assert told(recent) == [[(1, 1)], [(1, 2)]]


def test_what_is_taken_to_be_told_is_told_once() -> None:
    recent = recent_of((1, 1))
    assert told(recent) == [[(1, 1)]]
    assert told(recent) == []


def test_nothing_is_kept_where_nothing_can_be_lost() -> None:
    recent = AnswersToRestore()
    recent.add(job(1), said(1, 1))
    assert told(recent) == []
