"""Which jobs ask whether the API is still down: those that were never sent, from anywhere in a batch."""

from __future__ import annotations

import pytest

from provisioning import scopes
from provisioning.ledger import Claim, Deferral, Hold, Intent, Ledger, Released, Shown, keys, transitions
from provisioning.ledger.schema import Go
from provisioning.lifecycle import Event, State
from tests.support.ledger_fixtures import LEASE, TARGET, Clock, answer, claim, fill, new_job, say, send


async def probes(ledger: Ledger, count: int, draw: int = 7) -> list[Claim]:
    found = await ledger.do(
        transitions.claim("b1", worker="w1", lease=LEASE, target=TARGET, most=count, rooms={}, draw=draw)
    )
    return list(found.jobs)


async def test_probes_come_from_anywhere_in_the_batch(ledger: Ledger) -> None:
    await fill(ledger, *(new_job(f"k{n}") for n in range(300)))
    numbers = [job.number for draw in range(20) for job in await probes(ledger, 2, draw)]
    assert len(set(numbers)) == 40
    assert max(numbers) > 200
    assert min(numbers) < 100


async def test_all_other_jobs_stay_in_the_list_and_are_claimed_later(ledger: Ledger) -> None:
    await fill(ledger, *(new_job(f"k{n}") for n in range(50)))
    probed = {job.number for draw in range(5) for job in await probes(ledger, 2, draw)}
    rest = {job.number for job in await claim(ledger, 100)}
    assert not probed & rest
    assert len(probed | rest) == 50


async def test_a_job_that_was_sent_is_no_probe(ledger: Ledger) -> None:
    await fill(ledger, new_job("k1"), new_job("k2"))
    [sent] = await claim(ledger, 1)
    await send(ledger, sent)
    await say(ledger, answer(sent, Event.RETRY_DUE))
    await ledger.do(transitions.deferred("b1", [Deferral(sent.number, sent.token, 0.0, "api_down")]))
    found = await probes(ledger, 5)
    assert [job.key for job in found] == ["k2"]
    assert await probes(ledger, 5) == []
    [again] = await claim(ledger, 5)
    assert again.key == "k1"


async def test_a_job_that_was_sent_twice_at_most_may_be_asked_too_where_it_is_meant(ledger: Ledger) -> None:
    await fill(ledger, new_job("k1"))
    assert await probes(ledger, 5, transitions.SENT_BEFORE) == []
    [job] = await claim(ledger, 5)
    for times in (1, 2, 3):
        await send(ledger, job)
        await say(ledger, answer(job, Event.RETRY_DUE))
        await ledger.do(transitions.deferred("b1", [Deferral(job.number, job.token, 0.0, "api_down")]))
        found = await probes(ledger, 5, transitions.SENT_BEFORE)
        assert len(found) == (times < 3)
        job = found[0] if found else job


async def test_a_pause_holds_probes_too(ledger: Ledger) -> None:
    await fill(ledger, new_job("k1"))
    await ledger.operations.hold(scopes.of_batch("b1"), actor="ana", justification="")
    assert await probes(ledger, 5) == []


async def test_a_brake_lets_one_probe_through_on_a_person_s_word_and_comes_off_if_it_is_served(
    ledger: Ledger, clock: Clock
) -> None:
    await fill(ledger, *(new_job(f"k{n}") for n in range(10)))
    scope = scopes.of_credential("acme")
    hold = Hold(scope=scope, at=clock.now, by="w1", why="refused", kind="brake")
    for shown, off in ((Shown.BAD, False), (Shown.GOOD, True)):
        await ledger.do(transitions.hold(hold))
        assert await claim(ledger, 10) == []
        assert await ledger.operations.release(scope) is Released.PROBE
        [job] = await claim(ledger, 10)
        intent = Intent(job.number, job.token, job.attempts + 1, "acme")
        [grant] = await ledger.do(transitions.sending("b1", [intent], lease=LEASE, target=TARGET))
        assert grant.word is Go.PROBE
        assert await claim(ledger, 10) == []
        assert await ledger.do(transitions.probe_result(scope, shown)) is off
        assert bool(await ledger.queries.holds()) is not off
        await ledger.do(transitions.deferred("b1", [Deferral(job.number, job.token, 0.0, "braked")]))


async def test_a_brake_of_a_former_version_that_healed_by_itself_is_taken_off(
    ledger: Ledger, clock: Clock
) -> None:
    await fill(ledger, new_job("k1"))
    scope = scopes.of_target(TARGET)
    hold = Hold(scope=scope, at=clock.now, by="w1", why="down", kind="brake")
    await ledger.do(transitions.hold(hold))
    await ledger.redis.hset(keys.brake(scope), mapping={"stage": 1, "top": 100, "next": 10**15})
    assert len(await claim(ledger, 10)) == 1
    assert await ledger.queries.holds() == []
    assert (await ledger.queries.status("b1")).states[State.CLAIMED] == 1


async def test_a_hold_that_a_probe_ends_while_it_is_read_does_not_block_the_batch(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(ledger, new_job("k1"))
    scope = scopes.of_credential("acme")
    await ledger.do(transitions.hold(Hold(scope=scope, at=1.0, by="w1", why="401", kind="brake")))
    assert (await ledger.queries.status("b1")).blocked
    read = ledger.queries._mark_trying

    async def ended_meanwhile(holds: list[Hold]) -> list[Hold]:
        await ledger.redis.hdel(keys.HOLDS, scope)
        return await read(holds)

    monkeypatch.setattr(ledger.queries, "_mark_trying", ended_meanwhile)
    status = await ledger.queries.status("b1")
    assert (status.blocked, status.holds) == (False, [])
