"""The promises of the single scripts, each as a claim; what should not have moved is compared too."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from provisioning import scopes
from provisioning.attempt import Bounds, Evidence, Result
from provisioning.errors import ContractError
from provisioning.job import NewJob, Verdict
from provisioning.ledger import Answered, Claim, Deferral, Intent, Ledger, Redriven, Rescue, keys, transitions
from provisioning.ledger.records import Selection
from provisioning.ledger.schema import FORMAT, JOB, Go, Lapse
from provisioning.lifecycle import Event, State
from tests.support.ledger_fixtures import (
    LEASE,
    NOW,
    OUTCOME,
    TARGET,
    Clock,
    answer,
    changed,
    claim,
    fill,
    new_job,
    say,
    send,
    snapshot,
)

JOBS = "pv:{b1}:jobs"


async def _verdicts(ledger: Ledger, *bodies: str, batch: str = "b1", key: str = "k") -> list[str]:
    jobs = [new_job(key, fingerprint=body) for body in bodies]
    return [
        f"{each.verdict} {each.job_id}" for each in await ledger.do(transitions.accept(batch, jobs, "ana"))
    ]


async def _state(ledger: Ledger, number: int = 1) -> State:
    return (await ledger.queries.job(f"b1.{number}")).state


async def _lapse(ledger: Ledger, clock: Clock) -> Rescue:
    clock.advance(LEASE + 1)
    return await ledger.do(transitions.rescue("b1", on_in_doubt="hold"))


# -- accept ------------------------------------------------------------------------------------------


async def test_one_identity_is_one_job_in_one_call_in_one_batch_and_across_batches(
    ledger: Ledger,
) -> None:
    assert await _verdicts(ledger, "fp", "fp") == ["new b1.1", "queued b1.1"]
    assert await _verdicts(ledger, "fp", batch="b2") == ["queued b1.1"]
    assert (await ledger.queries.status("b1")).accepted == 1


async def test_the_same_key_of_another_credential_is_another_job(ledger: Ledger) -> None:
    jobs = [new_job("k", "acme"), new_job("k", "zeta")]
    accepted = await ledger.do(transitions.accept("b1", jobs, "ana"))
    assert [each.verdict for each in accepted] == [Verdict.NEW, Verdict.NEW]


@pytest.mark.parametrize(
    ("event", "same", "other"),
    [
        (Event.CREATED, "succeeded", "changed"),
        (Event.REJECTED, "dead", "redriven"),
        (Event.DOUBTED, "in_doubt", "in_doubt"),
        (Event.RETRY_DUE, "queued", "changed"),
    ],
)
async def test_what_became_of_a_known_job_decides_its_verdict(
    ledger: Ledger, event: Event, same: str, other: str
) -> None:
    await _verdicts(ledger, "fp")
    [job] = await claim(ledger)
    await send(ledger, job)
    await say(ledger, answer(job, event))
    before = await snapshot(ledger.redis)
    assert await _verdicts(ledger, "fp", batch="b2") == [f"{same} b1.1"]
    assert changed(before, await snapshot(ledger.redis)) == {}
    assert await _verdicts(ledger, "other", batch="b2") == [f"{other} b1.1"]


async def test_a_job_that_was_never_attempted_gets_the_body_it_is_handed_over_with(
    ledger: Ledger,
) -> None:
    await _verdicts(ledger, "fp")
    job = NewJob("k", "acme", b'{"bot":{"id":"2"}}', 7, "new name")
    before = await snapshot(ledger.redis)
    assert await ledger.queries.verdicts([job]) == [Verdict.REPLACED]
    assert changed(before, await snapshot(ledger.redis)) == {}
    [accepted] = await ledger.do(transitions.accept("b2", [job], "ana"))
    assert (accepted.verdict, accepted.job_id) == (Verdict.REPLACED, "b1.1")
    [record] = [each async for each in ledger.queries.jobs("b1")]
    assert (record.state, record.label, record.row) == (State.QUEUED, "new name", 7)
    assert [(move.move, move.by) for move in record.moves] == [("replaced", "ana")]
    [claimed] = await claim(ledger)
    assert claimed.body == job.body
    # From now on it is in a worker's hand: another body cannot take its place.
    assert await _verdicts(ledger, "third") == ["changed b1.1"]
    assert await ledger.queries.verdicts([job]) == [Verdict.QUEUED]


async def test_two_bodies_of_one_key_in_one_call_are_not_taken_for_one(ledger: Ledger) -> None:
    assert await _verdicts(ledger, "one", "other", "one") == ["new b1.1", "changed b1.1", "queued b1.1"]


async def test_a_new_job_is_never_taken_for_a_known_one_whose_id_and_key_read_alike(
    ledger: Ledger,
) -> None:
    known = [new_job(str(key), fingerprint="fp") for key in range(21, 32)]
    await ledger.do(transitions.accept("b1", known, "ana"))
    # The first gets the id b1.12; `b1.12` and `1` read like `b1.1` and `21`.
    again = [new_job("1", fingerprint="fp"), new_job("21", fingerprint="other"), *known[1:]]
    planned = await ledger.queries.verdicts(again)
    accepted = await ledger.do(transitions.accept("b1", again, "ana"))
    assert [each.verdict for each in accepted] == planned
    assert planned == [Verdict.NEW, Verdict.REPLACED, *[Verdict.QUEUED] * 10]


async def test_one_key_of_two_credentials_is_two_jobs(ledger: Ledger) -> None:
    jobs = [new_job("k", credential, fingerprint=credential) for credential in ("acme", "zeta", "acme")]
    planned = await ledger.queries.verdicts(jobs)
    accepted = await ledger.do(transitions.accept("b1", jobs, "ana"))
    assert [each.verdict for each in accepted] == planned == [Verdict.NEW, Verdict.NEW, Verdict.QUEUED]


COMPOSED, DECOMPOSED = "Caf\u00e9", "Cafe\u0301"


@pytest.mark.parametrize(("first", "then"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
async def test_a_key_is_one_identity_however_its_accents_are_written(
    ledger: Ledger, first: str, then: str
) -> None:
    assert await _verdicts(ledger, "fp", key=first) == ["new b1.1"]
    assert await _verdicts(ledger, "fp", key=then) == ["queued b1.1"]
    for asked in (COMPOSED, DECOMPOSED):
        [found] = [record async for record in ledger.queries.find(asked)]
        assert found.key == COMPOSED
        [listed] = [record async for record in ledger.queries.jobs("b1", Selection(key=asked))]
        assert listed.number == 1


@pytest.mark.parametrize("spelled", [DECOMPOSED, "\u00e9cole e\u0301te\u0301"])
async def test_a_ledger_that_holds_a_key_of_another_normal_form_goes_on_with_it(
    ledger: Ledger, spelled: str
) -> None:
    old = new_job("k", fingerprint="fp")
    msgspec.structs.force_setattr(old, "key", spelled)  # as a former version kept it
    await ledger.do(transitions.accept("b1", [old], "ana"))
    assert await ledger.redis.hkeys("pv:identity:acme") == [spelled.encode()]
    again = new_job(spelled, fingerprint="fp")
    assert again.key != spelled
    assert await ledger.queries.verdicts([again]) == [Verdict.QUEUED]
    assert await _verdicts(ledger, "fp", key=spelled) == ["queued b1.1"]
    [found] = [record async for record in ledger.queries.find(spelled)]
    assert found.key == spelled
    pages = [some async for some in ledger.queries.matching("b1", Selection(key=spelled))]
    assert [match.number for some in pages for match in some] == [1]


async def test_a_redriven_job_gets_the_new_body_a_fresh_budget_and_keeps_its_story(
    ledger: Ledger,
) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await send(ledger, job)
    await say(ledger, answer(job, Event.EXHAUSTED))
    mended = new_job("k", body=b'{"a":2}')
    [accepted] = await ledger.do(transitions.accept("b2", [mended], "ana", justification="why not"))
    assert (accepted.verdict, accepted.job_id) == (Verdict.REDRIVEN, "b1.1")
    [again] = await claim(ledger)
    assert (again.body, again.attempts) == (b'{"a":2}', 0)
    record = await ledger.queries.job("b1.1")
    assert ([a.error for a in record.attempts], [m.move for m in record.moves]) == (
        ["exhausted"],
        ["redriven"],
    )
    assert record.bounds == Bounds(0, 1)


async def test_a_job_whose_record_is_gone_is_not_sent_again(ledger: Ledger) -> None:
    await _verdicts(ledger, "fp")
    await ledger.redis.hdel(JOBS, "1")
    assert await _verdicts(ledger, "fp") == ["in_doubt b1.1"]
    assert await ledger.queries.verdicts([new_job("k", fingerprint="fp")]) == [Verdict.IN_DOUBT]


async def test_jobs_handed_to_a_batch_that_was_just_taken_back_are_listed_all_the_same(
    ledger: Ledger,
) -> None:
    await ledger.do(transitions.open_batch("b1", "name", {}))
    assert await ledger.do(transitions.discard_batch("b1"))
    await _verdicts(ledger, "fp")
    assert [status.batch async for status in ledger.queries.batches()] == ["b1"]


async def test_a_batch_that_another_has_found_by_its_name_is_not_taken_back(ledger: Ledger) -> None:
    await ledger.do(transitions.open_batch("b1", "name", {"urgent": "1"}))
    assert await ledger.do(transitions.open_batch("b2", "name", {})) == ("b1", False)
    assert not await ledger.do(transitions.discard_batch("b1"))
    await _verdicts(ledger, "fp")
    assert await ledger.queries.batch_id("name") == "b1"
    assert (await ledger.queries.status("b1")).meta == {"urgent": "1"}


# -- open, discard -----------------------------------------------------------------------------------


async def test_opening_a_batch_twice_says_the_same_and_a_name_belongs_to_the_first(
    ledger: Ledger,
) -> None:
    call = transitions.open_batch("b1", "name", {"on_in_doubt": "retry"})
    assert [await ledger.do(call) for _ in range(2)] == [("b1", True), ("b1", True)]
    assert await ledger.do(transitions.open_batch("b2", "name", {})) == ("b1", False)
    assert (await ledger.queries.status("b1")).meta["on_in_doubt"] == "retry"


async def test_an_empty_batch_is_settled_from_the_start_and_leaves_no_trace(ledger: Ledger) -> None:
    before = await snapshot(ledger.redis)
    await ledger.do(transitions.open_batch("b1", "name", {}))
    status = await ledger.queries.status("b1")
    assert (status.settled, status.conserved, status.accepted) == (True, True, 0)
    assert await claim(ledger) == []
    assert await ledger.queries.active() == []
    assert [await ledger.do(transitions.discard_batch("b1")) for _ in range(2)] == [True, True]
    assert changed(before, await snapshot(ledger.redis)) == {keys.FORMAT: FORMAT.decode()}


async def test_a_batch_with_jobs_is_not_discarded(ledger: Ledger) -> None:
    await fill(ledger, new_job("k"))
    before = await snapshot(ledger.redis)
    assert not await ledger.do(transitions.discard_batch("b1"))
    assert changed(before, await snapshot(ledger.redis)) == {}


# -- claim -------------------------------------------------------------------------------------------


async def test_jobs_are_claimed_in_the_order_in_which_they_came_each_with_a_token_of_its_own(
    ledger: Ledger,
) -> None:
    await fill(ledger, *(new_job(f"k{n}") for n in range(5)))
    first, second = await claim(ledger, 3), await claim(ledger, 3)
    assert [job.number for job in [*first, *second]] == [1, 2, 3, 4, 5]
    tokens = [job.token for job in [*first, *second]]
    assert tokens == [tokens[0] + n for n in range(5)]


async def test_a_token_is_not_given_again_by_a_ledger_that_has_lost_the_last_claims(
    ledger: Ledger, clock: Clock
) -> None:
    await fill(ledger, new_job("k"))
    before = await ledger.redis.dump(keys.batch("b1")), await ledger.redis.dump(JOBS)
    [lost] = await claim(ledger)
    redis: Any = ledger.redis
    for name, value in zip((keys.batch("b1"), JOBS), before, strict=True):
        await redis.restore(name, 0, value, replace=True)
    await redis.rpush(keys.ready("b1", "acme"), 1)
    await redis.sadd(keys.credentials("b1"), "acme")
    clock.advance(1)
    [again] = await claim(ledger)
    assert (again.number, again.attempts) == (lost.number, lost.attempts)
    assert again.token > lost.token
    assert not await send(ledger, lost)


async def test_a_credential_claims_no_more_than_its_room(ledger: Ledger) -> None:
    jobs = [new_job(f"k{n}", ("acme", "zeta")[n % 2]) for n in range(8)]
    await fill(ledger, *jobs)
    call = transitions.claim("b1", worker="w", lease=LEASE, target=TARGET, most=100, rooms={"acme": (1, 1)})
    claims = await ledger.do(call)
    assert sorted(job.credential for job in claims.jobs) == ["acme"] + ["zeta"] * 4
    assert claims.more


@pytest.mark.parametrize(
    "scope",
    [scopes.EVERYTHING, scopes.of_batch("b1"), scopes.of_credential("acme"), scopes.of_target(TARGET)],
)
async def test_nothing_is_claimed_under_a_hold_and_all_of_it_after(ledger: Ledger, scope: str) -> None:
    await fill(ledger, new_job("k"))
    await ledger.operations.hold(scope, actor="ana", justification="")
    assert await claim(ledger) == []
    await ledger.operations.release(scope)
    assert len(await claim(ledger)) == 1


async def test_a_job_whose_body_is_gone_does_not_keep_those_that_are_claimed_with_it(
    ledger: Ledger,
) -> None:
    await fill(ledger, new_job("bare"), new_job("whole"))
    redis: Any = ledger.redis
    await redis.hdel(keys.bodies("b1"), "1")
    assert [job.key for job in await claim(ledger)] == ["whole"]
    assert await _state(ledger) is State.CLAIMED  # under a lease: it is not lost


async def test_of_hundreds_of_credentials_none_is_overlooked(ledger: Ledger) -> None:
    await fill(ledger, *(new_job("k", f"c{n}") for n in range(300)))
    for n in range(0, 300, 2):
        await ledger.operations.hold(scopes.of_credential(f"c{n}"), actor="ana", justification="")
    assert len(await claim(ledger, 100)) == 100
    assert len(await claim(ledger, 100)) == 50
    assert await claim(ledger, 100) == []


async def test_a_waiting_job_is_not_claimed_early_through_an_old_entry_of_its_list(
    ledger: Ledger, clock: Clock
) -> None:
    await fill(ledger, new_job("k"))
    await ledger.do(transitions.cancel("b1", 1, 1, "ana"))
    await ledger.do(transitions.redrive("b1", [1], "ana"))
    assert await ledger.redis.lrange("pv:{b1}:ready:acme", 0, -1) == [b"1", b"1"]
    [job] = await claim(ledger, 1)
    await ledger.do(transitions.deferred("b1", [Deferral(1, job.token, 60, "retry_after")]))
    assert await claim(ledger) == []
    clock.advance(60)
    assert len(await claim(ledger)) == 1
    assert await claim(ledger) == []


async def test_of_waiting_jobs_the_first_due_is_claimed_first(ledger: Ledger, clock: Clock) -> None:
    await fill(ledger, *(new_job(f"k{n}") for n in range(3)))
    delays = {1: 30, 2: 10, 3: 20}
    jobs = await claim(ledger)
    deferrals = [Deferral(job.number, job.token, delays[job.number], "x") for job in jobs]
    handed_back = await ledger.do(transitions.deferred("b1", deferrals))
    assert [each.taken for each in handed_back] == [True] * 3
    clock.advance(31)
    assert [job.number for job in await claim(ledger)] == [2, 3, 1]


# -- sending -----------------------------------------------------------------------------------------


async def test_an_intent_said_twice_is_granted_twice_and_counted_once(ledger: Ledger) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    assert await send(ledger, job)
    before = await snapshot(ledger.redis)
    assert await send(ledger, job)
    assert changed(before, await snapshot(ledger.redis)) == {}
    assert (await ledger.queries.status("b1")).bounds == Bounds(0, 1)


async def test_a_copy_of_an_intent_that_the_network_kept_back_starts_nothing(ledger: Ledger) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await send(ledger, job)
    await say(ledger, answer(job, Event.RETRY_DUE))
    before = await snapshot(ledger.redis)
    assert not await send(ledger, job, 1)
    assert changed(before, await snapshot(ledger.redis)) == {}
    assert await send(ledger, job, 2)


async def test_a_hold_that_comes_between_claim_and_intent_queues_the_job_unconsumed(
    ledger: Ledger,
) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await ledger.operations.hold(scopes.of_batch("b1"), actor="ana", justification="")
    intent = Intent(1, job.token, 1, "acme")
    [grant] = await ledger.do(transitions.sending("b1", [intent], lease=LEASE, target=TARGET))
    assert (grant.word, grant.reason) == (Go.HELD, "paused")
    record = await ledger.queries.job("b1.1")
    assert (record.state, record.reason, record.bounds) == (State.QUEUED, "paused", Bounds())


async def test_an_intent_to_send_what_was_called_off_is_told_so(ledger: Ledger) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await ledger.do(transitions.cancel("b1", 1, 1, "ana"))
    intent = Intent(1, job.token, 1, "acme")
    [grant] = await ledger.do(transitions.sending("b1", [intent], lease=LEASE, target=TARGET))
    assert grant.word is Go.CANCELLED
    assert await _state(ledger) is State.CANCELLED


async def test_a_stale_worker_is_refused_its_intent_and_overwrites_nothing(
    ledger: Ledger, clock: Clock
) -> None:
    await fill(ledger, new_job("k"))
    [stale] = await claim(ledger)
    lapse = Lapse(1, State.QUEUED, "k", None, "w1")
    assert await _lapse(ledger, clock) == Rescue([lapse], ready=True)
    [successor] = await claim(ledger, worker="w2")
    assert (stale.again, successor.again) == (False, True)
    before = await snapshot(ledger.redis)
    assert not await send(ledger, stale)
    [deferred] = await ledger.do(transitions.deferred("b1", [Deferral(1, stale.token, 0, "x")]))
    assert (deferred.taken, deferred.state) == (False, State.CLAIMED)
    assert await ledger.do(transitions.renew("b1", [(1, stale.token)], lease=LEASE)) == [1]
    assert await say(ledger, _withdrawn(stale)) == [False]
    assert changed(before, await snapshot(ledger.redis)) == {}
    assert await send(ledger, successor)


# -- answered ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("called_off", [False, True])
async def test_an_intent_that_was_withdrawn_is_no_attempt_of_the_batch(
    ledger: Ledger, clock: Clock, called_off: bool
) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await send(ledger, job)
    if called_off:
        await ledger.do(transitions.cancel("b1", 1, 1, "ana"))
    assert (await ledger.queries.status("b1")).attempts == 1
    withdrawn = _withdrawn(job)
    clock.advance(61)  # into the next minute of the chart
    for _ in range(2):  # its reply was lost
        assert await say(ledger, withdrawn) == [True]
        assert (await ledger.queries.status("b1")).attempts == 0
    spans = await ledger.queries.history("b1")
    assert [span.attempts for span in spans] == [1, 0]
    if not called_off:
        [job] = await claim(ledger)
        await send(ledger, job)
        await say(ledger, answer(job, Event.REFUSED))  # a 401: this one was a POST
        assert (await ledger.queries.status("b1")).attempts == 1


async def test_an_intent_that_was_withdrawn_too_late_is_no_attempt_of_the_batch(
    ledger: Ledger, clock: Clock
) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await send(ledger, job)
    await _lapse(ledger, clock)
    for _ in range(2):
        await say(ledger, _withdrawn(job))
        assert (await ledger.queries.status("b1")).attempts == 0


def _withdrawn(job: Claim) -> Answered:
    """What a worker says of an intent of which it sent no byte."""
    said = answer(job, Event.REFUSED)
    attempt = msgspec.structs.replace(said.attempt, evidence=Evidence.NOTHING_SENT)
    return msgspec.structs.replace(said, attempt=attempt)


@pytest.mark.parametrize("event", list(OUTCOME))
async def test_an_answer_said_twice_says_the_same_and_counts_once(ledger: Ledger, event: Event) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await send(ledger, job)
    assert await say(ledger, answer(job, event)) == [True]
    before = await snapshot(ledger.redis)
    assert await say(ledger, answer(job, event)) == [True]
    assert changed(before, await snapshot(ledger.redis)) == {}


async def test_one_refused_answer_in_a_call_does_not_keep_the_others_back(ledger: Ledger) -> None:
    await fill(ledger, new_job("k1"), new_job("k2"))
    first, second = await claim(ledger)
    await send(ledger, second)
    stray = msgspec.structs.replace(answer(first, Event.CREATED), key="another")
    assert await say(ledger, stray, answer(second, Event.CREATED)) == [False, True]
    assert [await _state(ledger, n) for n in (1, 2)] == [State.CLAIMED, State.SUCCEEDED]


async def test_a_refused_attempt_is_given_back_and_its_copy_takes_no_other(ledger: Ledger) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await send(ledger, job)
    await say(ledger, answer(job, Event.REFUSED))
    [again] = await claim(ledger)
    assert again.attempts == 0
    await send(ledger, again)
    before = await snapshot(ledger.redis)
    assert await say(ledger, answer(job, Event.REFUSED)) == [False]
    assert changed(before, await snapshot(ledger.redis)) == {}


async def test_a_redrive_starts_at_the_first_attempt_and_no_old_token_counts_in_it(
    ledger: Ledger,
) -> None:
    await fill(ledger, new_job("k"))
    [old] = await claim(ledger)
    await send(ledger, old)
    await say(ledger, answer(old, Event.EXHAUSTED))
    came = await ledger.do(transitions.redrive("b1", [1], "ana", justification="why not"))
    assert came == Redriven(queued=1, risky=1, left=0)
    before = await snapshot(ledger.redis)
    assert not await send(ledger, old, 1)
    assert await say(ledger, answer(old, Event.CREATED)) == [False]
    assert changed(before, await snapshot(ledger.redis)) == {}
    [new] = await claim(ledger)
    assert (new.attempts, await send(ledger, new)) == (0, True)


# -- cancel ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (Event.CREATED, State.SUCCEEDED),
        (Event.REJECTED, State.DEAD),
        (Event.EXHAUSTED, State.DEAD),
        (Event.RETRY_DUE, State.CANCELLED),
        (Event.REFUSED, State.CANCELLED),
        (Event.DOUBTED, State.IN_DOUBT),
    ],
)
async def test_a_job_called_off_while_being_sent_is_not_sent_again(
    ledger: Ledger, event: Event, state: State
) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await send(ledger, job)
    assert await ledger.operations.cancel("b1", "ana") == 0
    assert await ledger.operations.cancel("b1", "ana") == 0
    for _ in range(2):
        assert await say(ledger, answer(job, event)) == [True]
    record = await ledger.queries.job("b1.1")
    assert (record.state, [move.move for move in record.moves]) == (state, ["called_off"])
    assert await claim(ledger) == []


async def test_a_silence_after_a_call_off_is_a_doubt_even_where_doubts_are_retried(
    ledger: Ledger, clock: Clock
) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await send(ledger, job)
    await ledger.operations.cancel("b1", "ana")
    clock.advance(LEASE + 1)
    await ledger.do(transitions.rescue("b1", on_in_doubt="retry"))
    assert await _state(ledger) is State.IN_DOUBT


async def test_a_cancelled_job_waits_for_nothing_and_holds_nothing(ledger: Ledger, clock: Clock) -> None:
    await fill(ledger, new_job("k1"), new_job("k2"))
    jobs = await claim(ledger)
    await ledger.do(transitions.deferred("b1", [Deferral(1, jobs[0].token, 60, "x")]))
    assert await ledger.operations.cancel("b1", "ana") == 2
    left = await snapshot(ledger.redis)
    assert not {"pv:{b1}:waiting", "pv:{b1}:leases", keys.ACTIVE, keys.HOLDS} & set(left)
    clock.advance(61)
    assert await claim(ledger) == []
    assert (await ledger.queries.status("b1")).settled


async def test_a_redrive_ends_an_old_call_off(ledger: Ledger) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await send(ledger, job)
    await ledger.operations.cancel("b1", "ana")
    await say(ledger, answer(job, Event.RETRY_DUE))
    await ledger.do(transitions.redrive("b1", [1], "ana", justification="why not"))
    [again] = await claim(ledger)
    await send(ledger, again)
    await say(ledger, answer(again, Event.RETRY_DUE))
    assert await _state(ledger) is State.CLAIMED


# -- resolve -----------------------------------------------------------------------------------------


async def test_a_doubt_resolved_as_absent_begins_a_new_drive_and_one_resolved_as_created_ends(
    ledger: Ledger,
) -> None:
    await fill(ledger, new_job("k1"), new_job("k2"))
    jobs = await claim(ledger)
    for job in jobs:
        await send(ledger, job)
    await say(ledger, *(answer(job, Event.DOUBTED) for job in jobs))
    assert (await ledger.queries.status("b1")).bounds == Bounds(0, 2)
    assert await ledger.operations.resolve("b1", 1, created=False, actor="ana")
    assert await ledger.operations.resolve("b1", 2, created=True, actor="ana")
    assert [await ledger.operations.resolve("b1", n, created=True, actor="eva") for n in (1, 2)] == [
        False,
        False,
    ]
    assert [await _state(ledger, n) for n in (1, 2)] == [State.QUEUED, State.SUCCEEDED]
    assert (await ledger.queries.status("b1")).bounds == Bounds(1, 1)
    [again] = await claim(ledger)
    assert (again.number, again.attempts) == (1, 0)


# -- leases ------------------------------------------------------------------------------------------


async def test_a_renewed_lease_does_not_lapse(ledger: Ledger, clock: Clock) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    clock.advance(LEASE - 1)
    assert await ledger.do(transitions.renew("b1", [(1, job.token)], lease=LEASE)) == []
    clock.advance(LEASE - 1)
    assert await ledger.do(transitions.rescue("b1", on_in_doubt="hold")) == Rescue([], ready=False)


async def test_each_lapsed_lease_is_settled_once_by_the_first_who_looks(ledger: Ledger, clock: Clock) -> None:
    await fill(ledger, *(new_job(f"k{n}") for n in range(3)))
    jobs = await claim(ledger)
    await send(ledger, jobs[0])
    states = [State.IN_DOUBT, State.QUEUED, State.QUEUED]
    lapses = [Lapse(n + 1, state, f"k{n}", None, "w1") for n, state in enumerate(states)]
    assert await _lapse(ledger, clock) == Rescue(lapses, ready=True)
    before = await snapshot(ledger.redis)
    again = await ledger.do(transitions.rescue("b1", on_in_doubt="hold"))
    assert again == Rescue([], ready=True)
    assert changed(before, await snapshot(ledger.redis)) == {}


@pytest.mark.parametrize(
    ("batch", "setting", "state"),
    [
        ("", "hold", State.IN_DOUBT),
        ("", "retry", State.QUEUED),
        ("hold", "retry", State.IN_DOUBT),
        ("retry", "hold", State.QUEUED),
    ],
)
async def test_what_a_batch_says_of_doubts_goes_before_the_setting(
    ledger: Ledger, clock: Clock, batch: str, setting: str, state: State
) -> None:
    await ledger.do(transitions.open_batch("b1", "b1", {"on_in_doubt": batch} if batch else {}))
    await _verdicts(ledger, "fp")
    [job] = await claim(ledger)
    await send(ledger, job)
    clock.advance(LEASE + 1)
    await ledger.do(transitions.rescue("b1", on_in_doubt="retry" if setting == "retry" else "hold"))
    record = await ledger.queries.job("b1.1")
    assert (record.state, record.bounds) == (state, Bounds(0, 1))


async def test_fields_of_a_newer_version_are_left_alone_and_do_no_harm(ledger: Ledger) -> None:
    await fill(ledger, new_job("k"))
    kept: Any = await ledger.redis.hget(JOBS, "1")
    places: Any = json.loads(kept)
    rest = [0, 0, 0, 0, "", "", 0, "", "", 0, ""]
    assert len(places + rest) == len(JOB)
    places += [*rest, "from the future"]
    await ledger.redis.hset(JOBS, "1", json.dumps(places))
    [job] = await claim(ledger)
    await send(ledger, job)
    await say(ledger, answer(job, Event.CREATED))
    assert await _state(ledger) is State.SUCCEEDED
    kept = await ledger.redis.hget(JOBS, "1")
    assert json.loads(kept.splitlines()[0])[-1] == "from the future"


async def test_an_answer_with_a_long_wait_hands_the_job_back_in_the_same_write(
    ledger: Ledger, clock: Clock
) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await send(ledger, job)
    busy = msgspec.structs.replace(answer(job, Event.RETRY_DUE, next_delay=90.0), delay=90.0)
    assert [await say(ledger, busy) for _ in range(2)] == [[True], [True]]
    record = await ledger.queries.job("b1.1")
    assert (record.state, record.not_before, record.worker) == (State.QUEUED, NOW + 90, "")
    assert len(record.attempts) == 1
    clock.advance(89)
    await ledger.do(transitions.rescue("b1", on_in_doubt="hold"))
    assert await claim(ledger) == []
    clock.advance(1)
    [again] = await claim(ledger)
    assert again.attempts == 1


async def test_a_call_off_ends_a_job_whose_answer_asks_for_a_long_wait(ledger: Ledger) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    await send(ledger, job)
    await ledger.do(transitions.cancel("b1", 1, 1, "ana"))
    busy = msgspec.structs.replace(answer(job, Event.RETRY_DUE), delay=90.0)
    assert [await say(ledger, busy) for _ in range(2)] == [[True], [True]]
    assert await _state(ledger) is State.CANCELLED


@pytest.mark.parametrize("kept", [b"1", b"5"])
async def test_a_ledger_that_another_version_has_written_is_left_alone(ledger: Ledger, kept: bytes) -> None:
    await ledger.check()
    await fill(ledger, new_job("k"))
    await ledger.check()
    await ledger.redis.set(keys.FORMAT, kept)
    with pytest.raises(ContractError, match=f"format {kept.decode()}"):
        await ledger.check()


ODD = (
    *(
        "1",
        '"1"',
        "=",
        "=1",
        "a=b",
        "a\nb",
        "\r\t",
        "é\u2028😀\x00\x7f",
        "\\",
        "/",
        "null",
        "[1]",
        "{}",
        "1e5",
    ),
    *(
        "00012345678901234567890",
        "999999999999999",
        "1000000000000000",
        "dead",
        "101",
        "pv:{b1}dead",
        "x" * 200,
    ),
)
"""Words that look like numbers, like our own, or like what stands between them."""


async def test_whatever_people_call_things_comes_back_as_it_was(ledger: Ledger) -> None:
    jobs = [NewJob(key=odd, credential=odd, body=b"{}", label=odd, row=10**9) for odd in ODD]
    await fill(ledger, *jobs)
    claims = sorted(await claim(ledger), key=lambda job: job.number)
    assert [(job.key, job.credential) for job in claims] == [(odd, odd) for odd in ODD]
    for job, odd in zip(claims, ODD, strict=True):
        assert await send(ledger, job)
        made = answer(job, Event.CREATED)
        attempt = msgspec.structs.replace(made.attempt, error=odd, message=odd * 3, worker=odd)
        result = Result(odd, odd, odd, odd, odd)
        assert await say(ledger, msgspec.structs.replace(made, attempt=attempt, result=result)) == [True]
    records = [job async for job in ledger.queries.jobs("b1")]
    for record, odd in zip(records, ODD, strict=True):
        [attempt] = record.attempts
        assert (record.key, record.credential, record.label, record.row) == (odd, odd, odd, 10**9)
        assert (attempt.error, attempt.message, attempt.worker) == (odd, odd * 3, odd)
        assert record.result == Result(odd, odd, odd, odd, odd)
    assert (await ledger.queries.status("b1")).conserved


async def test_words_beyond_those_that_get_a_number_are_kept_as_they_are(ledger: Ledger) -> None:
    for first in range(0, 1500, 500):
        await fill(ledger, *(new_job(f"k{n}", f"c{n}") for n in range(first, first + 500)))
    redis: Any = ledger.redis
    assert await redis.hlen(keys.words("b1")) == 2 * 1000
    assert [job.credential async for job in ledger.queries.jobs("b1")] == [f"c{n}" for n in range(1500)]
    claimed = {job.key: job.credential for _ in range(15) for job in await claim(ledger)}
    assert claimed == {f"k{n}": f"c{n}" for n in range(1500)}


async def test_a_job_of_a_hundred_attempts_tells_them_all(ledger: Ledger) -> None:
    await fill(ledger, new_job("k"))
    [job] = await claim(ledger)
    for n in range(1, 101):
        assert await send(ledger, job, n)
        assert await say(ledger, answer(job, Event.RETRY_DUE, attempt=n, next_delay=0.1)) == [True]
    record = await ledger.queries.job("b1.1")
    assert [attempt.n for attempt in record.attempts] == [*range(1, 101)]
    assert record.bounds == Bounds(0, 100)


async def test_a_call_with_thousands_of_jobs_is_carried_out_whole(ledger: Ledger) -> None:
    for first in range(0, 4000, 500):
        await fill(ledger, *(new_job(f"k{n}") for n in range(first, first + 500)))
    assert len(await claim(ledger, 4000)) == 4000
    assert await ledger.redis.zcard(keys.leases("b1")) == 4000
    assert (await ledger.queries.status("b1")).states[State.CLAIMED] == 4000
