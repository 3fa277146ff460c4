"""Flower is told each job's story: read here by Celery's own `State`, on which Flower stands."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from celery.events.state import State as Watcher

from provisioning.attempt import Attempt, Evidence, Outcome, Result
from provisioning.ledger import Claim
from provisioning.lifecycle import State
from worker.events.flower_story import HANDOVER, TASK, Which, events_of, is_worth_sending
from worker.events.telemetry import (
    Attempted,
    BrakeApplied,
    BrakeReleased,
    Claimed,
    Ended,
    Lapsed,
    Returned,
    TelemetryEvent,
)

NOW = 1_800_000_000.0
LEASE = 20.0
SECRETS = (b'{"planted":"body"}', "planted-widget-key", "planted-api-key", "planted-traceparent")

FIRST = Claim(7, 1, "lima-store", "acme", 2, 0, SECRETS[0], trace="planted-traceparent", batch="b1")
AGAIN = Claim(7, 9, "lima-store", "acme", 2, 1, SECRETS[0], again=True, batch="b1")
RESULT = Result("w-12", key="planted-widget-key", api_key_id="planted-api-key")


def _attempt(n: int, status: int | None, error: str = "", delay: float | None = None) -> Attempt:
    outcome = Outcome.FAILED if error else Outcome.CREATED
    evidence = Evidence.ANSWERED if status else Evidence.SENT
    return Attempt(n, NOW + n, 0.5, outcome, evidence, status, error, next_delay=delay, worker="w1")


class Flower:
    """Hears what is worth telling and keeps it as Flower does."""

    def __init__(self, which: Which) -> None:
        self.which: Which = which
        self.watcher = Watcher()
        self.heard: list[str] = []
        self.fields = ""
        self.clock = itertools.count()

    def hear(self, *happenings: TelemetryEvent, now: float = NOW + 9, worker: str = "w1") -> Any:
        """Returns: the task as it stands afterwards; None if Flower knows nothing of it."""
        for happening in happenings:
            if is_worth_sending(happening, now, self.which, LEASE):
                for event in events_of(happening, now, self.which):
                    self.heard.append(event.type.removeprefix("task-"))
                    self.fields += repr(event.fields)
                    told = {**event.fields, "type": event.type, "hostname": worker, "pid": 1}
                    self.watcher.event({**told, "clock": next(self.clock), "local_received": NOW})
        return self.watcher.tasks.get("b1.7")


@pytest.fixture(params=["all", "problems"])
def flower(request: pytest.FixtureRequest) -> Flower:
    return Flower(request.param)


def _made(job: Claim, attempts: Sequence[Attempt], state: State) -> list[TelemetryEvent]:
    """A performance as the engine tells it: all attempts but the last are repeated."""
    told: list[TelemetryEvent] = [Claimed(job)]
    told += [Attempted(job, attempt, State.CLAIMED, attempt.error) for attempt in attempts[:-1]]
    told.append(Attempted(job, attempts[-1], state, attempts[-1].error))
    result = RESULT if state is State.SUCCEEDED else None
    return [*told, Ended(job, state, attempts[-1].error or "created", attempts, result)]


def test_a_job_that_succeeds_at_once_is_no_problem() -> None:
    smooth = _made(FIRST, [_attempt(1, 200)], State.SUCCEEDED)
    assert Flower("problems").hear(*smooth) is None
    flower = Flower("all")
    task = flower.hear(*smooth)
    assert flower.heard == ["received", "started", "succeeded"]
    assert (task.name, task.state, task.result) == (TASK, "SUCCESS", "w-12")
    assert (task.args, task.kwargs) == ("('lima-store', 2)", "{'batch': 'b1', 'credential': 'acme'}")


def test_a_job_that_was_retried_is_told_whole(flower: Flower) -> None:
    attempts = [
        _attempt(1, 503, "http_503", 0.25),
        _attempt(2, None, "connection_reset", 8),
        _attempt(3, 200),
    ]
    *before, attempted, ended = _made(FIRST, attempts, State.SUCCEEDED)
    waiting = flower.hear(*before)
    assert (waiting.state, waiting.exception) == ("RETRY", "sent, connection_reset; again after 8 s")
    task = flower.hear(attempted, ended)
    assert flower.heard == ["received", "started", "retried", "retried", "succeeded"]
    assert (task.state, task.result, task.exception, task.worker.hostname) == ("SUCCESS", "w-12", None, "w1")
    assert (waiting.retries, task.retries) == (2, 2)
    first, second, third = task.traceback.splitlines()
    assert first == "attempt 1 at 08:00:01.000 UTC took 0.5 s: 503 http_503; again after 0.25 s"
    assert "attempt 2 " in second
    assert third.endswith("took 0.5 s: 200")


def test_a_dead_job_says_why_and_what_to_do(flower: Flower) -> None:
    task = flower.hear(*_made(FIRST, [_attempt(1, 404, "bot_not_found")], State.DEAD))
    assert flower.heard == ["received", "started", "failed"]
    assert (task.state, task.exception) == ("FAILURE", "404 bot_not_found")
    assert task.traceback.splitlines()[-1].startswith("what to do: Fix bot.id")


def test_a_doubt_is_a_failure_that_says_so(flower: Flower) -> None:
    task = flower.hear(*_made(FIRST, [_attempt(1, None, "read_timeout")], State.IN_DOUBT))
    assert task.state == "FAILURE"
    assert task.exception.startswith(
        "in doubt: sent, read_timeout; a widget may exist: provision resolve b1.7"
    )


def test_a_job_handed_back_after_an_attempt_waits_to_be_tried_again(flower: Flower) -> None:
    denied = _attempt(1, 401, "unauthorized")
    task = flower.hear(
        Claimed(FIRST),
        Attempted(FIRST, denied, State.QUEUED, "unauthorized"),
        Returned(FIRST, 0.0, "unauthorized", [denied]),
    )
    assert (task.state, task.exception) == ("RETRY", "401 unauthorized; back in the queue (unauthorized)")


def test_a_long_retry_after_says_how_long(flower: Flower) -> None:
    limited = _attempt(1, 429, "rate_limited", 90)
    task = flower.hear(
        Attempted(FIRST, limited, State.CLAIMED, "rate_limited"),
        Returned(FIRST, 90, "rate_limited", [limited]),
    )
    assert task.state == "RETRY"
    assert task.exception == "429 rate_limited; back in the queue (rate_limited), not before 90 s"


def test_a_job_handed_back_untried_is_no_problem_and_no_longer_with_that_worker() -> None:
    assert Flower("problems").hear(Claimed(FIRST), Returned(FIRST, 0.0, "held")) is None
    task = Flower("all").hear(Claimed(FIRST), Returned(FIRST, 0.0, "shutdown"))
    assert (task.state, task.exception) == ("RETRY", "back in the queue (shutdown)")


@pytest.mark.parametrize(("state", "shown"), [(State.QUEUED, "RETRY"), (State.IN_DOUBT, "FAILURE")])
def test_no_job_of_a_dead_worker_stays_with_it(flower: Flower, state: State, shown: str) -> None:
    flower.hear(Claimed(FIRST))
    task = flower.hear(Lapsed("b1", 7, state, "lima-store", 2, "w1"), worker="w2")
    assert task.state == shown
    assert "w1 stopped responding" in task.exception
    assert (task.name, task.args, task.worker.hostname) == (TASK, "('lima-store', 2)", "w2")


def test_the_end_of_what_was_in_other_hands_is_told_and_after_their_last_word(flower: Flower) -> None:
    flower.hear(Claimed(FIRST), Lapsed("b1", 7, State.QUEUED, "lima-store", 2, "w1"))
    smooth = _made(AGAIN, [_attempt(2, 200)], State.SUCCEEDED)
    assert flower.hear(*smooth, worker="w2").state == "SUCCESS"
    [end] = events_of(smooth[-1], NOW, flower.which)
    assert end.due == NOW + HANDOVER
    assert end.fields["traceback"] is None


def test_a_redriven_job_is_open_again(flower: Flower) -> None:
    flower.hear(*_made(FIRST, [_attempt(1, 404, "bot_not_found")], State.DEAD))
    redriven = [*_made(AGAIN, [_attempt(2, 503, "http_503", 1), _attempt(3, 200)], State.SUCCEEDED)]
    assert flower.hear(*redriven[:2]).state == "RETRY"
    task = flower.hear(*redriven[2:])
    assert (task.state, task.exception) == ("SUCCESS", None)
    assert task.traceback.startswith("attempts before these: provision job b1.7\n")


def test_a_late_answer_settles_the_doubt_in_flower_too(flower: Flower) -> None:
    flower.hear(Claimed(FIRST), Lapsed("b1", 7, State.IN_DOUBT, "lima-store", 2, "w1"), worker="w2")
    late = _made(FIRST, [_attempt(1, 200)], State.SUCCEEDED)[1:]
    assert flower.hear(*late, now=NOW + 1 + LEASE).state == "SUCCESS"


def test_a_job_that_is_called_off_is_revoked() -> None:
    untried = Ended(FIRST, State.CANCELLED, "cancelled", [])
    assert Flower("problems").hear(Claimed(FIRST), untried) is None
    assert Flower("all").hear(Claimed(FIRST), untried).state == "REVOKED"
    retried = _attempt(1, 503, "http_503", 8)
    tried = Ended(FIRST, State.CANCELLED, "cancelled", [retried])
    flower = Flower("problems")
    assert flower.hear(Attempted(FIRST, retried, State.CLAIMED, "http_503"), tried).state == "REVOKED"


def test_brakes_are_no_tasks(flower: Flower) -> None:
    assert flower.hear(BrakeApplied("target:x", "down"), BrakeReleased("target:x")) is None
    assert flower.heard == []


def test_neither_body_nor_key_is_in_any_event() -> None:
    flower = Flower("all")
    for state in (State.SUCCEEDED, State.DEAD, State.IN_DOUBT, State.CANCELLED):
        for job in (FIRST, AGAIN):
            attempts = [_attempt(job.attempts + 1, 503, "http_503", 1), _attempt(job.attempts + 2, 200)]
            flower.hear(*_made(job, attempts, state), Returned(job, 1.0, "shutdown", attempts))
    assert "lima-store" in flower.fields
    assert "planted" not in flower.fields
