"""Retention: what is let go of and when, what is never, and that no tenant is created twice for it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from provisioning.errors import ConfigurationError, NotFoundError
from provisioning.job import Verdict
from provisioning.ledger import Ledger, Redriven, Selection, keys, reaper, transitions
from provisioning.ledger.reaper import Reaper
from provisioning.ledger.schema import FORMAT
from provisioning.lifecycle import Event, State
from provisioning.retention import DAY_SECONDS, Kept, Retention
from tests.support.ledger_fixtures import Clock, answer, changed, claim, fill, new_job, say, send, snapshot

ENDS = {
    "created": Event.CREATED,
    "dead": Event.REJECTED,
    "risky": Event.EXHAUSTED,
    "doubted": Event.DOUBTED,
}


async def _ended(ledger: Ledger, *names: str) -> None:
    await fill(ledger, *(new_job(name) for name in names))
    for job in await claim(ledger):
        if job.key in ENDS:
            await send(ledger, job)
            await say(ledger, answer(job, ENDS[job.key]))


async def _purge(ledger: Ledger, clock: Clock, retention: str, *, days: float = 8) -> Counter[Kept]:
    clock.advance(days * DAY_SECONDS)
    return await Reaper(ledger, Retention.parse(retention)).purge(clock())


async def test_the_body_of_a_created_job_goes_and_everything_else_stays(ledger: Ledger, clock: Clock) -> None:
    await _ended(ledger, "created", "dead", "doubted")
    before = await snapshot(ledger.redis)
    assert await _purge(ledger, clock, "payloads=7") == {Kept.PAYLOADS: 1}
    moved = changed(before, await snapshot(ledger.redis))
    assert set(moved) == {"pv:{b1}:bodies 1", "pv:{b1} reaped:payloads"}


async def test_nothing_goes_before_its_time(ledger: Ledger, clock: Clock) -> None:
    await _ended(ledger, "created", "dead")
    before = await snapshot(ledger.redis)
    assert await _purge(ledger, clock, "7", days=6.9) == {}
    assert changed(before, await snapshot(ledger.redis)) == {}


@pytest.mark.parametrize("names", [("created", "queued"), ("created", "dead", "doubted")])
async def test_a_batch_with_something_unresolved_is_kept(
    ledger: Ledger, clock: Clock, names: tuple[str, ...]
) -> None:
    await _ended(ledger, *names)
    await _purge(ledger, clock, "batches=7")
    assert (await ledger.queries.status("b1")).accepted == len(names)
    assert len([job async for job in ledger.queries.jobs("b1")]) == len(names)


async def test_the_doubtful_lose_nothing_to_any_class(ledger: Ledger, clock: Clock) -> None:
    await _ended(ledger, "doubted")
    before = await snapshot(ledger.redis)
    assert (await _purge(ledger, clock, "0")).total() == 0
    assert [k for k in changed(before, await snapshot(ledger.redis)) if "reaped" not in k] == []


async def test_a_tenant_whose_batch_is_gone_is_not_created_again(ledger: Ledger, clock: Clock) -> None:
    await _ended(ledger, "created", "dead", "risky")
    await _purge(ledger, clock, "batches=7")
    with pytest.raises(NotFoundError):
        await ledger.queries.status("b1")
    names = ("created", "dead", "risky")
    jobs = [new_job(name, fingerprint="other") for name in names]
    planned = await ledger.queries.verdicts(jobs)
    await ledger.do(transitions.open_batch("b2", "b1", {}))
    accepted = await ledger.do(transitions.accept("b2", jobs, "ana"))
    assert [each.verdict for each in accepted] == planned
    assert planned == [Verdict.SUCCEEDED, Verdict.NEW, Verdict.IN_DOUBT]
    assert accepted[0].job_id == "b1.1"


async def test_a_batch_leaves_nothing_but_the_identities_of_who_may_have_a_widget(
    ledger: Ledger, clock: Clock
) -> None:
    await _ended(ledger, "created", "dead")
    await _purge(ledger, clock, "batches=7")
    left = await snapshot(ledger.redis)
    assert len(left.pop(keys.EVENTS)) == 1  # that it has settled: such news go by themselves
    assert left == {
        keys.FORMAT: FORMAT.decode(),
        keys.identity("acme"): {"created": "b1.1=succeeded"},
    }


async def test_a_dead_letter_without_its_body_is_not_redriven_but_handed_over_anew(
    ledger: Ledger, clock: Clock
) -> None:
    await _ended(ledger, "dead")
    await _purge(ledger, clock, "dead=7")
    assert await ledger.operations.redrive("b1", Selection(State.DEAD), "ana") == Redriven()
    [accepted] = await ledger.do(transitions.accept("b2", [new_job("dead")], "ana"))
    assert (accepted.verdict, accepted.job_id) == (Verdict.REDRIVEN, "b1.1")
    [again] = await claim(ledger)
    assert again.body == b'{"a":1}'


async def test_a_batch_that_was_opened_again_is_gone_over_from_the_start(
    ledger: Ledger, clock: Clock
) -> None:
    await _ended(ledger, "created")
    await _purge(ledger, clock, "payloads=7")
    await _ended(ledger, "created", "dead")
    await ledger.operations.redrive("b1", Selection(State.DEAD), "ana")
    assert await _purge(ledger, clock, "payloads=7") == {}  # it has not settled
    [job] = await claim(ledger)
    await send(ledger, job)
    await say(ledger, answer(job, Event.CREATED))
    assert await _purge(ledger, clock, "payloads=7") == {Kept.PAYLOADS: 1}


async def test_a_step_of_the_reaper_is_bounded_and_steps_come_to_the_end(
    ledger: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaper, "STRETCH", 2)
    await fill(ledger, *(new_job(f"k{n}") for n in range(5)))
    for job in await claim(ledger):
        await send(ledger, job)
        await say(ledger, answer(job, Event.CREATED))
    clock.advance(8 * DAY_SECONDS)
    worker, other = (Reaper(ledger, Retention.parse("payloads=7")) for _ in range(2))
    steps = [await each.run_once(clock()) for each in (worker, other, worker, other)]
    assert [step[Kept.PAYLOADS] for step in steps] == [2, 2, 1, 0]


async def test_a_dry_run_tells_what_would_go_and_changes_nothing(ledger: Ledger, clock: Clock) -> None:
    await _ended(ledger, "created", "dead", "doubted")
    clock.advance(8 * DAY_SECONDS)
    before = await snapshot(ledger.redis)
    plan = await Reaper(ledger, Retention.parse("7")).plan(clock())
    assert plan == [("b1", Kept.PAYLOADS, 1), ("b1", Kept.RESULTS, 1), ("b1", Kept.DEAD, 1)]
    assert changed(before, await snapshot(ledger.redis)) == {}


def test_retention_is_read_by_class_or_for_all() -> None:
    assert Retention.parse("payloads=7, batches=365") == Retention(payloads=7, batches=365)
    assert Retention.parse("30") == Retention(30, 30, 30, 30)
    assert Retention.parse("").for_ever
    assert str(Retention.parse("payloads=7,batches=365")) == "payloads=7,batches=365"


@pytest.mark.parametrize(
    "text", ["bodies=7", "payloads=soon", "payloads=-1", "payloads=nan", "results=9,batches=8"]
)
def test_a_retention_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        Retention.parse(text)


async def test_a_batch_that_goes_on_growing_lets_go_of_each_job_in_its_time(
    ledger: Ledger, clock: Clock
) -> None:
    redis: Any = ledger.redis
    reaper = Reaper(ledger, Retention.parse("payloads=7,results=7,dead=7"))
    await fill(ledger, new_job("waits", credential="other"))  # the batch never settles
    for day in range(60):
        await _end_one(ledger, f"t{day}", Event.REJECTED if day % 2 else Event.CREATED)
        while (await reaper.run_once(clock())).total():
            pass
        clock.advance(DAY_SECONDS)
    bodies = await redis.hlen(keys.bodies("b1"))
    assert bodies == 1 + 7
    assert (await ledger.queries.status("b1")).accepted == 61
    assert await ledger.queries.body("b1.1")


async def _end_one(ledger: Ledger, key: str, event: Event) -> None:
    await fill(ledger, new_job(key))
    for job in await claim(ledger, 2):
        if job.key == key:
            await send(ledger, job)
            await say(ledger, answer(job, event))


async def test_a_doubt_that_is_resolved_late_is_let_go_of_in_its_own_time(
    ledger: Ledger, clock: Clock
) -> None:
    await _ended(ledger, "created", "doubted")
    assert await _purge(ledger, clock, "payloads=7") == {Kept.PAYLOADS: 1}
    await ledger.operations.resolve("b1", 2, created=True, actor="ana")
    assert await _purge(ledger, clock, "payloads=7", days=6) == {}
    assert await _purge(ledger, clock, "payloads=7", days=2) == {Kept.PAYLOADS: 1}
    assert await Reaper(ledger, Retention.parse("payloads=7")).plan(clock()) == []


async def test_a_batch_is_gone_over_once_a_day_and_no_more_once_nothing_can_come_due(
    ledger: Ledger, clock: Clock
) -> None:
    redis: Any = ledger.redis
    await _ended(ledger, "created")
    await fill(ledger, new_job("waits"))
    clock.advance(8 * DAY_SECONDS)
    reaper = Reaper(ledger, Retention.parse("payloads=7"))
    assert await reaper.run_once(clock()) == {Kept.PAYLOADS: 1}
    before = await snapshot(ledger.redis)
    assert await reaper.run_once(clock()) == {}
    assert changed(before, await snapshot(ledger.redis)) == {}
    await ledger.operations.cancel("b1", "ana")
    clock.advance(8 * DAY_SECONDS)
    await reaper.run_once(clock())
    settled = await redis.hget(keys.batch("b1"), "settled_at")
    mark = await redis.hget(keys.batch("b1"), "reaped:payloads")
    assert mark == settled + b":2"


async def test_a_name_that_another_batch_has_taken_over_stays_with_it(ledger: Ledger, clock: Clock) -> None:
    redis: Any = ledger.redis
    await _ended(ledger, "created")
    await redis.hset(keys.NAMES, "b1", "b2")
    await _purge(ledger, clock, "batches=7")
    assert await redis.hget(keys.NAMES, "b1") == b"b2"
