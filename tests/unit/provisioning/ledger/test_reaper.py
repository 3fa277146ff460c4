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


async def test_the_body_of_a_created_job_goes_and_everything_else_stays(
    fake_ledger: Ledger, clock: Clock
) -> None:
    await _ended(fake_ledger, "created", "dead", "doubted")
    before = await snapshot(fake_ledger.redis)
    assert await _purge(fake_ledger, clock, "payloads=7") == {Kept.PAYLOADS: 1}
    moved = changed(before, await snapshot(fake_ledger.redis))
    assert set(moved) == {"pv:{b1}:bodies 1", "pv:{b1} reaped:payloads"}


async def test_nothing_goes_before_its_time(fake_ledger: Ledger, clock: Clock) -> None:
    await _ended(fake_ledger, "created", "dead")
    before = await snapshot(fake_ledger.redis)
    assert await _purge(fake_ledger, clock, "7", days=6.9) == {}
    assert changed(before, await snapshot(fake_ledger.redis)) == {}


@pytest.mark.parametrize("names", [("created", "queued"), ("created", "dead", "doubted")])
async def test_a_batch_with_something_unresolved_is_kept(
    fake_ledger: Ledger, clock: Clock, names: tuple[str, ...]
) -> None:
    await _ended(fake_ledger, *names)
    await _purge(fake_ledger, clock, "batches=7")
    assert (await fake_ledger.queries.status("b1")).accepted == len(names)
    assert len([job async for job in fake_ledger.queries.jobs("b1")]) == len(names)


async def test_the_doubtful_lose_nothing_to_any_class(fake_ledger: Ledger, clock: Clock) -> None:
    await _ended(fake_ledger, "doubted")
    before = await snapshot(fake_ledger.redis)
    assert (await _purge(fake_ledger, clock, "0")).total() == 0
    assert [k for k in changed(before, await snapshot(fake_ledger.redis)) if "reaped" not in k] == []


async def test_a_tenant_whose_batch_is_gone_is_not_created_again(fake_ledger: Ledger, clock: Clock) -> None:
    await _ended(fake_ledger, "created", "dead", "risky")
    await _purge(fake_ledger, clock, "batches=7")
    with pytest.raises(NotFoundError):
        await fake_ledger.queries.status("b1")
    names = ("created", "dead", "risky")
    jobs = [new_job(name, fingerprint="other") for name in names]
    planned = await fake_ledger.queries.verdicts(jobs)
    await fake_ledger.do(transitions.open_batch("b2", "b1", {}))
    accepted = await fake_ledger.do(transitions.accept("b2", jobs, "ana"))
    assert [each.verdict for each in accepted] == planned
    assert planned == [Verdict.SUCCEEDED, Verdict.NEW, Verdict.IN_DOUBT]
    assert accepted[0].job_id == "b1.1"


async def test_a_batch_leaves_nothing_but_the_identities_of_who_may_have_a_widget(
    fake_ledger: Ledger, clock: Clock
) -> None:
    await _ended(fake_ledger, "created", "dead")
    await _purge(fake_ledger, clock, "batches=7")
    left = await snapshot(fake_ledger.redis)
    assert len(left.pop(keys.EVENTS)) == 1  # that it has settled: such news go by themselves
    assert left == {
        keys.FORMAT: FORMAT.decode(),
        keys.identity("acme"): {"created": "b1.1=succeeded"},
    }


async def test_a_dead_letter_without_its_body_is_not_redriven_but_handed_over_anew(
    fake_ledger: Ledger, clock: Clock
) -> None:
    await _ended(fake_ledger, "dead")
    await _purge(fake_ledger, clock, "dead=7")
    assert await fake_ledger.operations.redrive("b1", Selection(State.DEAD), "ana") == Redriven()
    [accepted] = await fake_ledger.do(transitions.accept("b2", [new_job("dead")], "ana"))
    assert (accepted.verdict, accepted.job_id) == (Verdict.REDRIVEN, "b1.1")
    [again] = await claim(fake_ledger)
    assert again.body == b'{"a":1}'


async def test_a_batch_that_was_opened_again_is_gone_over_from_the_start(
    fake_ledger: Ledger, clock: Clock
) -> None:
    await _ended(fake_ledger, "created")
    await _purge(fake_ledger, clock, "payloads=7")
    await _ended(fake_ledger, "created", "dead")
    await fake_ledger.operations.redrive("b1", Selection(State.DEAD), "ana")
    assert await _purge(fake_ledger, clock, "payloads=7") == {}  # it has not settled
    [job] = await claim(fake_ledger)
    await send(fake_ledger, job)
    await say(fake_ledger, answer(job, Event.CREATED))
    assert await _purge(fake_ledger, clock, "payloads=7") == {Kept.PAYLOADS: 1}


async def test_a_step_of_the_reaper_is_bounded_and_steps_come_to_the_end(
    fake_ledger: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaper, "STRETCH", 2)
    await fill(fake_ledger, *(new_job(f"k{n}") for n in range(5)))
    for job in await claim(fake_ledger):
        await send(fake_ledger, job)
        await say(fake_ledger, answer(job, Event.CREATED))
    clock.advance(8 * DAY_SECONDS)
    worker, other = (Reaper(fake_ledger, Retention.parse("payloads=7")) for _ in range(2))
    steps = [await each.run_once(clock()) for each in (worker, other, worker, other)]
    assert [step[Kept.PAYLOADS] for step in steps] == [2, 2, 1, 0]


async def test_a_dry_run_tells_what_would_go_and_changes_nothing(fake_ledger: Ledger, clock: Clock) -> None:
    await _ended(fake_ledger, "created", "dead", "doubted")
    clock.advance(8 * DAY_SECONDS)
    before = await snapshot(fake_ledger.redis)
    plan = await Reaper(fake_ledger, Retention.parse("7")).plan(clock())
    assert plan == [("b1", Kept.PAYLOADS, 1), ("b1", Kept.RESULTS, 1), ("b1", Kept.DEAD, 1)]
    assert changed(before, await snapshot(fake_ledger.redis)) == {}


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
    fake_ledger: Ledger, clock: Clock
) -> None:
    redis: Any = fake_ledger.redis
    reaper = Reaper(fake_ledger, Retention.parse("payloads=7,results=7,dead=7"))
    await fill(fake_ledger, new_job("waits", credential="other"))  # the batch never settles
    for day in range(60):
        await _end_one(fake_ledger, f"t{day}", Event.REJECTED if day % 2 else Event.CREATED)
        while (await reaper.run_once(clock())).total():
            pass
        clock.advance(DAY_SECONDS)
    bodies = await redis.hlen(keys.bodies("b1"))
    assert bodies == 1 + 7
    assert (await fake_ledger.queries.status("b1")).accepted == 61
    assert await fake_ledger.queries.body("b1.1")


async def _end_one(ledger: Ledger, key: str, event: Event) -> None:
    await fill(ledger, new_job(key))
    for job in await claim(ledger, 2):
        if job.key == key:
            await send(ledger, job)
            await say(ledger, answer(job, event))


async def test_a_doubt_that_is_resolved_late_is_let_go_of_in_its_own_time(
    fake_ledger: Ledger, clock: Clock
) -> None:
    await _ended(fake_ledger, "created", "doubted")
    assert await _purge(fake_ledger, clock, "payloads=7") == {Kept.PAYLOADS: 1}
    await fake_ledger.operations.resolve("b1", 2, created=True, actor="ana")
    assert await _purge(fake_ledger, clock, "payloads=7", days=6) == {}
    assert await _purge(fake_ledger, clock, "payloads=7", days=2) == {Kept.PAYLOADS: 1}
    assert await Reaper(fake_ledger, Retention.parse("payloads=7")).plan(clock()) == []


async def test_a_batch_is_gone_over_once_a_day_and_no_more_once_nothing_can_come_due(
    fake_ledger: Ledger, clock: Clock
) -> None:
    redis: Any = fake_ledger.redis
    await _ended(fake_ledger, "created")
    await fill(fake_ledger, new_job("waits"))
    clock.advance(8 * DAY_SECONDS)
    reaper = Reaper(fake_ledger, Retention.parse("payloads=7"))
    assert await reaper.run_once(clock()) == {Kept.PAYLOADS: 1}
    before = await snapshot(fake_ledger.redis)
    assert await reaper.run_once(clock()) == {}
    assert changed(before, await snapshot(fake_ledger.redis)) == {}
    await fake_ledger.operations.cancel("b1", "ana")
    clock.advance(8 * DAY_SECONDS)
    await reaper.run_once(clock())
    settled = await redis.hget(keys.batch("b1"), "settled_at")
    mark = await redis.hget(keys.batch("b1"), "reaped:payloads")
    assert mark == settled + b":2"


async def test_a_name_that_another_batch_has_taken_over_stays_with_it(
    fake_ledger: Ledger, clock: Clock
) -> None:
    redis: Any = fake_ledger.redis
    await _ended(fake_ledger, "created")
    await redis.hset(keys.NAMES, "b1", "b2")
    await _purge(fake_ledger, clock, "batches=7")
    assert await redis.hget(keys.NAMES, "b1") == b"b2"
