"""
The most telling scenarios of the crash matrix; `script/chaos` plays them all.

Every one of them demands: no accepted job is lost, no body makes two widgets, no more is in doubt than was in
flight, the bounds hold the sandbox's truth, every success names a widget that exists, settled within 30 s.
"""

from __future__ import annotations

from chaos.matrix import BY_NAME
from chaos.verdict import Verdict

SEED = 1


async def _played(name: str) -> Verdict:
    verdict = await BY_NAME[name].run(SEED)
    assert not verdict.problems, f"{verdict.problems[:10]}; again: script/chaos --only {name} --seed {SEED}"
    return verdict


async def test_a_worker_killed_between_intent_and_request_leaves_only_its_intents_in_doubt() -> None:
    verdict = await _played("after-intent")
    assert 0 < verdict.in_doubt <= verdict.in_flight


async def test_a_worker_killed_with_requests_on_the_wire_leaves_them_in_doubt_and_none_is_repeated() -> None:
    verdict = await _played("after-request-sent")
    assert 0 < verdict.in_doubt <= verdict.in_flight


async def test_a_worker_killed_with_answers_unrecorded_leaves_them_in_doubt_and_none_is_repeated() -> None:
    verdict = await _played("before-result-written")
    assert 0 < verdict.in_doubt <= verdict.in_flight


async def test_no_answer_is_dropped_when_redis_is_killed_and_started_again() -> None:
    verdict = await _played("redis-sigkill")
    assert verdict.in_doubt == 0


async def test_a_wiped_broker_changes_nothing() -> None:
    verdict = await _played("broker-wiped")
    assert verdict.in_doubt == 0


async def test_a_worker_frozen_past_its_lease_overwrites_nothing_and_settles_its_own_doubts() -> None:
    verdict = await _played("frozen-worker")
    assert verdict.in_doubt == 0


async def test_a_worker_told_to_stop_under_500_posts_records_them_all_and_is_gone_in_ten_seconds() -> None:
    verdict = await _played("graceful-stop")
    assert verdict.in_doubt == 0
    assert verdict.in_flight >= 500
