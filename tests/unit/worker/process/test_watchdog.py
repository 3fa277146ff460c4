"""When a worker is stuck, and when it only seems so."""

from __future__ import annotations

import pytest

from provisioning.health.liveness import LIMIT, RECONNECT, Liveness, diagnose

NOW = 1000.0
LONG_AGO = NOW - LIMIT - 1


def signs(**last: float | None) -> Liveness:
    return Liveness(**{"engine": NOW, "ledger": NOW, "message": NOW, "consumer": NOW, **last})  # type: ignore[arg-type]


def test_a_worker_whose_parts_all_give_signs_is_well() -> None:
    assert diagnose(signs(), NOW) is None


@pytest.mark.parametrize(
    ("part", "said"),
    [("engine", "engine's loop"), ("consumer", "Celery's loop"), ("message", "messages wait")],
)
def test_a_part_that_gives_no_sign_is_named(part: str, said: str) -> None:
    assert said in (diagnose(signs(**{part: LONG_AGO}), NOW) or "")


def test_while_redis_is_away_a_silent_consumer_is_only_waiting() -> None:
    assert diagnose(signs(ledger=LONG_AGO, consumer=LONG_AGO, message=LONG_AGO), NOW) is None


def test_a_stuck_engine_is_stuck_whether_redis_is_away_or_not() -> None:
    assert diagnose(signs(ledger=LONG_AGO, engine=LONG_AGO), NOW) is not None


def test_a_worker_without_an_event_loop_of_celery_is_not_blamed_for_it() -> None:
    assert diagnose(signs(consumer=None), NOW) is None


def test_after_a_freeze_all_begins_anew() -> None:
    frozen = signs(engine=LONG_AGO, ledger=LONG_AGO, message=LONG_AGO, consumer=LONG_AGO)
    frozen.all_at(NOW)
    assert diagnose(frozen, NOW) is None


def test_a_consumer_has_its_longest_pause_to_notice_that_redis_is_back() -> None:
    waiting = signs(consumer=LONG_AGO, message=LONG_AGO)
    waiting.reconnect_at(NOW)
    waiting.engine = waiting.ledger = NOW + RECONNECT + LIMIT
    assert diagnose(waiting, NOW + RECONNECT + LIMIT) is None
    assert diagnose(waiting, NOW + RECONNECT + LIMIT + 1) is not None
