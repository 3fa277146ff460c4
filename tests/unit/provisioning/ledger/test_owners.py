"""Owners: one ledger, services that have the same keys and names, and nothing of each other's."""

from __future__ import annotations

from typing import Any

import pytest

from producers.single_jobs import SingleJobs
from producers.submit import submit
from provisioning.errors import InvalidInputError, NotFoundError
from provisioning.job import Accepted, Verdict, split_job_id
from provisioning.ledger import Ledger, Restoration, Selection, keys, transitions
from provisioning.ledger.reaper import Reaper
from provisioning.ledger.tokens import Scope
from provisioning.lifecycle import Event
from provisioning.owner import DEFAULT, check_owner
from provisioning.retention import DAY_SECONDS, Retention
from tests.support.ledger_fixtures import (
    LEASE,
    Clock,
    answer,
    claim,
    fill,
    lose_opened_batches,
    new_job,
    say,
    send,
)

OWNERS = (DEFAULT, "crm", "shop")


async def accept(ledger: Ledger, batch: str, *names: str, body: bytes = b'{"a":1}') -> list[Accepted]:
    return await ledger.do(transitions.accept(batch, [new_job(name, body=body) for name in names], "ana"))


async def test_a_key_is_an_identity_within_its_owner(ledger: Ledger) -> None:
    for owner in OWNERS:
        await fill(ledger, batch=f"of-{owner}", owner=owner)
        [new] = await accept(ledger, f"of-{owner}", "t1")
        assert new == Accepted(Verdict.NEW, f"of-{owner}.1")
    for owner in OWNERS:
        [known] = await accept(ledger, f"of-{owner}", "t1")
        assert known == Accepted(Verdict.QUEUED, f"of-{owner}.1")


@pytest.mark.parametrize("owner", OWNERS)
async def test_a_dry_run_knows_the_owners_keys_alone(ledger: Ledger, owner: str) -> None:
    await fill(ledger, new_job("t1"), owner=owner)
    verdicts = {each: (await ledger.queries.verdicts([new_job("t1")], owner=each))[0] for each in OWNERS}
    assert verdicts == {each: Verdict.QUEUED if each == owner else Verdict.NEW for each in OWNERS}


async def test_a_dead_job_is_not_touched_by_another_owner_who_has_its_key(ledger: Ledger) -> None:
    await fill(ledger, new_job("t1"), batch="b1", owner="crm")
    [job] = await claim(ledger)
    await send(ledger, job)
    await say(ledger, answer(job, Event.REJECTED))
    before = await ledger.queries.job("b1.1")
    await fill(ledger, batch="b2", owner="shop")
    [other] = await accept(ledger, "b2", "t1", body=b'{"b":2}')
    assert other == Accepted(Verdict.NEW, "b2.1")
    assert await ledger.queries.job("b1.1") == before
    assert await ledger.queries.body("b1.1") == b'{"a":1}'


async def test_the_same_name_is_another_batch_for_each_owner(ledger: Ledger) -> None:
    ids = {}
    for owner in OWNERS:
        [ids[owner], new] = await ledger.do(transitions.open_batch(f"x{owner}", "june", {}, owner=owner))
        assert new
    assert len(set(ids.values())) == len(OWNERS)
    find = ledger.queries.batch_id
    for owner, batch in ids.items():
        assert await find("june", owner) == batch
        assert await find(batch, owner) == batch
        assert (await ledger.queries.status(batch)).owner == owner
        name = "june" if owner == DEFAULT else f"{owner}/june"
        assert await find(name) == await find(batch) == batch
        for other in OWNERS:
            for asked in (batch, f"{owner}/june"):
                if other != owner:
                    with pytest.raises(NotFoundError):
                        await find(asked, other)


@pytest.mark.parametrize("owner", OWNERS)
async def test_an_empty_batch_that_is_taken_back_leaves_the_names_of_others(
    ledger: Ledger, owner: str
) -> None:
    for each in OWNERS:
        await ledger.do(transitions.open_batch(f"x{each}", "june", {}, owner=each))
    await ledger.do(transitions.discard_batch(f"x{owner}"))
    redis: Any = ledger.redis
    left = {value.decode() for value in (await redis.hgetall(keys.NAMES)).values()}
    assert left == {f"x{each}" for each in OWNERS if each != owner}


@pytest.mark.parametrize("owner", OWNERS)
async def test_each_owner_has_its_single_jobs_of_a_day(ledger: Ledger, owner: str) -> None:
    async def opened(batch: str, period: str) -> tuple[str, bool]:
        return await ledger.do(
            transitions.open_batch(batch, "single", {"urgent": "1"}, period=period, owner=owner)
        )

    assert await opened("b1", "2026-11-26") == ("b1", True)
    await accept(ledger, "b1", "t1")
    assert await opened("b2", "2026-11-27") == ("b2", True)
    assert await ledger.queries.batch_id("single", owner) == "b2"
    assert await ledger.queries.batch_id("single-2026-11-26", owner) == "b1"
    await ledger.do(transitions.discard_batch("b2"))  # and it has its name again
    assert await ledger.queries.batch_id("single", owner) == "b1"


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("ended", [Event.CREATED, Event.REJECTED])
async def test_a_deleted_batch_leaves_its_owners_identities_and_no_others(
    ledger: Ledger, clock: Clock, owner: str, ended: Event
) -> None:
    await fill(ledger, new_job("t1"), batch="b1", owner=owner)
    [job] = await claim(ledger)
    await send(ledger, job)
    await say(ledger, answer(job, ended))
    others = [each for each in OWNERS if each != owner]
    for each in others:
        await fill(ledger, new_job("t1"), batch=f"of-{each}", owner=each)
    clock.advance(40 * DAY_SECONDS)
    await Reaper(ledger, Retention.parse("batches=30")).purge(clock())

    async def verdict(whose: str) -> Verdict:
        return (await ledger.queries.verdicts([new_job("t1")], owner=whose))[0]

    assert await verdict(owner) == (Verdict.SUCCEEDED if ended is Event.CREATED else Verdict.NEW)
    assert [await verdict(each) for each in others] == [Verdict.QUEUED] * 2
    with pytest.raises(NotFoundError):
        await ledger.queries.batch_id("b1", owner)


@pytest.mark.parametrize("owner", OWNERS)
async def test_a_job_that_redis_has_lost_is_its_owners_again(ledger: Ledger, owner: str) -> None:
    await fill(ledger, new_job("t1"), owner=owner)
    [job] = await claim(ledger)
    redis: Any = ledger.redis
    await redis.flushall()
    [word] = await ledger.do(transitions.restore("b1", [(job, 1)], worker="w1", lease=LEASE))
    assert word is Restoration.RESTORED
    assert (await ledger.queries.status("b1")).owner == owner
    found = {each: [job async for job in ledger.queries.find("t1", owner=each)] for each in OWNERS}
    assert {each for each, jobs in found.items() if jobs} == {owner}


@pytest.mark.parametrize("owner", OWNERS)
async def test_jobs_for_a_batch_that_redis_has_lost_meanwhile_are_their_owners(
    ledger: Ledger, owner: str
) -> None:
    """A failover between finding the batch and handing over: a tenant of another would be sent twice."""
    jobs = [new_job(f"t{n}") for n in range(3)]
    redis: Any = ledger.redis
    lose_opened_batches(ledger)
    single = SingleJobs(ledger, lambda _: None)
    handed = await single.hand_over(new_job("s1"), "ana", owner=owner)
    submitted = await submit(ledger, jobs, name="june", actor="ana", owner=owner, notify=lambda _: None)
    assert submitted.verdicts == {Verdict.NEW: 3}
    for batch in (submitted.batch, split_job_id(handed.job_id)[0]):
        found = await redis.exists(keys.batch(batch))
        assert not found or (await ledger.queries.status(batch)).owner == owner
    verdicts = {each: set(await ledger.queries.verdicts(jobs, owner=each)) for each in OWNERS}
    assert verdicts == {each: {Verdict.QUEUED if each == owner else Verdict.NEW} for each in OWNERS}


@pytest.mark.parametrize("owner", OWNERS)
async def test_jobs_for_a_batch_that_is_deleted_meanwhile_are_their_owners(
    ledger: Ledger, clock: Clock, owner: str
) -> None:
    """A long upload goes on with an old batch whose retention ends before its first new row."""
    old, new = new_job("t1"), new_job("t2")
    await fill(ledger, old, batch="b1", owner=owner)
    [job] = await claim(ledger)
    await send(ledger, job)
    await say(ledger, answer(job, Event.CREATED))
    clock.advance(40 * DAY_SECONDS)
    call = transitions.open_batch("b2", "b1", {}, owner=owner)
    assert await ledger.do(call) == ("b1", False)
    await Reaper(ledger, Retention.parse("batches=30")).purge(clock())
    words = await ledger.do(transitions.accept("b1", [old, new], "ana", owner=owner))
    assert [each.verdict for each in words] == [Verdict.SUCCEEDED, Verdict.NEW]
    assert (await ledger.queries.status("b1")).owner == owner
    for each in OWNERS:
        [verdict] = await ledger.queries.verdicts([new], owner=each)
        assert verdict == (Verdict.QUEUED if each == owner else Verdict.NEW)


async def test_a_tenant_is_found_within_its_owner_or_everywhere(ledger: Ledger) -> None:
    for owner in OWNERS:
        await fill(ledger, new_job("t1"), new_job("t2", "beta"), batch=f"of-{owner}", owner=owner)

    async def found(**wanted: Any) -> set[str]:
        return {job.job_id async for job in ledger.queries.find(**wanted)}

    assert await found(key="t1") == {f"of-{owner}.1" for owner in OWNERS}
    assert await found(key="t*", owner="crm") == {"of-crm.1", "of-crm.2"}
    assert await found(key="t*", credential="beta") == {f"of-{owner}.2" for owner in OWNERS}
    assert await found(key="t*", credential="beta", owner=DEFAULT) == {"of-default.2"}
    listed = [job.key async for job in ledger.queries.jobs("of-crm", Selection(key="t1"))]
    assert listed == ["t1"]
    assert await ledger.queries.has_jobs_of("beta")
    assert not await ledger.queries.has_jobs_of("gamma")


@pytest.mark.parametrize("name", ["", "-x", "CRM", "a/b", "a:b", "a*", "x" * 33, "ñ", "a b"])
def test_what_cannot_be_the_name_of_an_owner_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="the name of an owner"):
        check_owner(name)


async def test_a_server_of_the_former_version_knows_no_token_of_an_owners(ledger: Ledger) -> None:
    """One that still runs would show it everything, and take its jobs as those of `default`."""
    redis: Any = ledger.redis
    made = {
        each: (await ledger.tokens.create(each, [Scope.SUBMIT], owner=each))[0] for each in (*OWNERS, "x")
    }
    await ledger.tokens.revoke("x")
    former = {id_.decode() for id_ in await redis.hkeys("pv:tokens")}  # all that it reads
    assert former == {made[DEFAULT].id}
    assert [token.name for token in await ledger.tokens.all()] == sorted(OWNERS)
    for each in OWNERS:
        assert await ledger.tokens.find(made[each].id) == made[each]
    assert await ledger.tokens.find(made["x"].id) is None
