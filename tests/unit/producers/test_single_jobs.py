"""The batch that single jobs share: one a day, under a name that stays."""

from __future__ import annotations

import pytest

from api.webhook_delivery import Webhooks
from producers import single_jobs
from producers.single_jobs import SingleJobs, today
from provisioning import scopes
from provisioning.ledger import Ledger, keys
from tests.support.ledger_fixtures import new_job


async def _hand_over(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, day: str, key: str) -> str:
    monkeypatch.setattr(single_jobs, "today", lambda: day)
    word = await SingleJobs(ledger, lambda _: None).hand_over(new_job(key), "crm")
    return word.job_id.partition(".")[0]


def test_a_day_is_one_of_utc() -> None:
    assert today(0.0) == "1970-01-01"


async def test_each_day_has_a_batch_and_the_name_is_the_latest_ones(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await _hand_over(ledger, monkeypatch, "2026-11-26", "a")
    assert await _hand_over(ledger, monkeypatch, "2026-11-26", "b") == first
    second = await _hand_over(ledger, monkeypatch, "2026-11-27", "c")
    assert second != first
    # A server whose clock is behind joins the batch that is there.
    assert await _hand_over(ledger, monkeypatch, "2026-11-26", "d") == second
    assert await ledger.queries.batch_id("single") == second
    assert await ledger.queries.batch_id("single-2026-11-26") == first
    assert (await ledger.queries.status(first)).name == "single-2026-11-26"
    assert "period" not in (await ledger.queries.status(first)).meta
    # A job that is known is where it was.
    assert await _hand_over(ledger, monkeypatch, "2026-11-28", "a") == first


async def test_the_batch_of_an_older_version_gives_the_name_up(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await _hand_over(ledger, monkeypatch, "", "a")
    new = await _hand_over(ledger, monkeypatch, "2026-11-27", "b")
    assert new != old
    assert await ledger.queries.batch_id("single-before-2026-11-27") == old


async def test_what_was_chosen_goes_on_with_the_name_and_a_pause_keeps_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhooks = Webhooks(ledger, allow_private=False)
    first = await _hand_over(ledger, monkeypatch, "2026-11-26", "a")
    await ledger.operations.choose_on_in_doubt(first, "retry")
    await webhooks.set(first, "https://crm.example/hook")
    await ledger.operations.hold(scopes.of_batch(first), actor="ana", justification="wait")
    assert await _hand_over(ledger, monkeypatch, "2026-11-27", "b") == first
    await ledger.operations.release(scopes.of_batch(first), actor="ana")
    second = await _hand_over(ledger, monkeypatch, "2026-11-27", "c")
    assert second != first
    assert (await ledger.queries.status(second)).meta["on_in_doubt"] == "retry"
    assert await webhooks.get(second) == await webhooks.get(first)


async def test_a_day_that_brings_nothing_new_leaves_the_name_and_what_was_chosen_where_they_were(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await _hand_over(ledger, monkeypatch, "2026-11-26", "a")
    webhooks = Webhooks(ledger, allow_private=True)
    await webhooks.set(first, "http://127.0.0.1:9/")
    assert await _hand_over(ledger, monkeypatch, "2026-11-27", "a") == first
    assert await ledger.queries.batch_id("single") == first
    assert await ledger.redis.hkeys(keys.WEBHOOKS) == [first.encode()]
    assert await ledger.redis.hgetall(keys.NAMES) == {b"single": first.encode()}
    second = await _hand_over(ledger, monkeypatch, "2026-11-27", "b")
    assert second != first
    assert await webhooks.get(second) is not None
    assert await ledger.queries.batch_id("single-2026-11-26") == first
