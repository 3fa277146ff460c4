"""Encryption at rest: nothing in clear, keys that rotate, and a batch's key that can be destroyed alone."""

from __future__ import annotations

import time
from typing import Any

import fakeredis
import pytest
from cryptography.fernet import Fernet

from producers.files.jsonl import job_of
from producers.files.read_options import ReadOptions
from provisioning.attempt import Bounds, Result
from provisioning.errors import ConfigurationError
from provisioning.job import NewJob, Verdict
from provisioning.ledger import Claim, Ledger, encryption, keys, transitions
from provisioning.ledger.encryption import KeylessError, SealedError, load_masters
from provisioning.lifecycle import Event
from tests.support.ledger_fixtures import (
    LEASE,
    TARGET,
    Clock,
    answer,
    claim,
    fill,
    new_job,
    say,
    send,
    snapshot,
)

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
MARK = "a-marker-of-the-body"
BODY = b'{"mark":"%s"}' % MARK.encode()


def _ledger(server: fakeredis.FakeServer, clock: Clock, masters: str) -> Ledger:
    return Ledger(fakeredis.FakeAsyncRedis(server=server), clock, masters=masters)


@pytest.fixture
def server() -> fakeredis.FakeServer:
    return fakeredis.FakeServer()


async def _live(ledger: Ledger) -> None:
    """One job is created, one is in doubt and found, a third is queued."""
    await fill(ledger, *(new_job(f"k{n}", body=BODY) for n in range(3)))
    made, doubted = await claim(ledger, 2)
    for job in (made, doubted):
        assert job.body == BODY
        assert await send(ledger, job)
    await say(ledger, answer(made, Event.CREATED, widget="w-1"), answer(doubted, Event.DOUBTED))
    assert await ledger.operations.resolve(
        "b1", 2, created=True, actor="ana", result=Result("w-2", key="key of w-2")
    )


async def _everything(ledger: Ledger) -> str:
    return str(await snapshot(ledger.redis))


async def test_neither_bodies_nor_widget_keys_nor_their_fingerprints_are_in_clear(
    server: fakeredis.FakeServer, clock: Clock
) -> None:
    ledger = _ledger(server, clock, NEW)
    await _live(ledger)
    kept = await _everything(ledger)
    assert MARK not in kept
    assert "key of w" not in kept
    assert NEW not in kept
    fingerprint = (await snapshot(ledger.redis))["pv:{b1}:jobs 1"]["fingerprint"]
    assert not BODY.decode().startswith(fingerprint)  # which is what `fill` gives as the plain fingerprint
    assert len(fingerprint) == 16


async def test_without_keys_everything_is_as_it_was(server: fakeredis.FakeServer, clock: Clock) -> None:
    ledger = _ledger(server, clock, "")
    await _live(ledger)
    assert MARK in await _everything(ledger)
    assert not await ledger.redis.exists(keys.DATA_KEYS)


async def test_what_was_sealed_is_opened_for_whoever_has_the_keys(
    server: fakeredis.FakeServer, clock: Clock
) -> None:
    await _live(_ledger(server, clock, NEW))
    other = _ledger(server, clock, NEW)
    assert await other.queries.body("b1.1") == BODY
    assert await other.queries.bodies("b1", [1, 3]) == [BODY, BODY]
    results = [job.result and job.result.key async for job in other.queries.jobs("b1")]
    assert results == ["key of w-1", "key of w-2", None]


async def test_the_same_body_is_known_again_through_its_sealed_fingerprint(
    server: fakeredis.FakeServer, clock: Clock
) -> None:
    ledger = _ledger(server, clock, NEW)
    await _live(ledger)
    again = [new_job("k0", body=BODY), new_job("k0", fingerprint="other")]
    planned = await ledger.queries.verdicts(again)
    accepted = await ledger.do(transitions.accept("b2", again, "ana"))
    assert [each.verdict for each in accepted] == planned == [Verdict.SUCCEEDED, Verdict.CHANGED]


async def test_a_tenant_without_a_key_of_its_own_is_known_again_once_encryption_is_on(
    server: fakeredis.FakeServer, clock: Clock
) -> None:
    body = {"bot": {"id": "7"}}
    spec = job_of(body, ReadOptions(new_bots=False))
    assert isinstance(spec, NewJob)
    plain = _ledger(server, clock, "")
    await fill(plain, spec)
    [job] = await claim(plain)
    await send(plain, job)
    await say(plain, answer(job, Event.CREATED))
    sealed = _ledger(server, clock, NEW)
    accepted = await sealed.do(transitions.accept("b2", [spec], "ana"))
    assert accepted[0].verdict is Verdict.CHANGED  # and sent it is not


async def test_after_a_rotation_the_old_key_is_not_needed_any_more(
    server: fakeredis.FakeServer, clock: Clock
) -> None:
    await _live(_ledger(server, clock, OLD))
    assert await _ledger(server, clock, f"{NEW},{OLD}").encryption.rotate() == 2
    assert await _ledger(server, clock, NEW).queries.body("b1.1") == BODY
    with pytest.raises(SealedError):
        await _ledger(server, clock, OLD).queries.body("b1.1")


async def test_a_batchs_key_can_be_destroyed_alone(server: fakeredis.FakeServer, clock: Clock) -> None:
    ledger = _ledger(server, clock, NEW)
    await _live(ledger)
    await fill(ledger, new_job("other", body=BODY), batch="b2")
    copy: Any = await ledger.redis.hget(keys.bodies("b1"), "1")
    assert await ledger.operations.shred("b1", actor="ana")
    assert not await ledger.operations.shred("b1", actor="ana")
    reader = _ledger(server, clock, NEW)
    with pytest.raises(SealedError, match="destroyed"):
        await reader.encryption.open(copy)
    assert await reader.queries.body("b2.1") == BODY
    assert (
        await reader.encryption.rotate() == 2
    )  # b2 and the fingerprints: a destroyed key does not come back
    with pytest.raises(SealedError, match="destroyed"):
        await reader.encryption.open(copy)


async def test_nothing_is_written_in_clear_beside_what_is_sealed(
    server: fakeredis.FakeServer, clock: Clock
) -> None:
    await _live(_ledger(server, clock, NEW))
    keyless = _ledger(server, clock, "")
    with pytest.raises(ConfigurationError, match="PROVISION_ENCRYPTION_KEYS"):
        await fill(keyless, new_job("new"))


async def test_a_worker_without_the_key_sends_nothing(server: fakeredis.FakeServer, clock: Clock) -> None:
    await _live(_ledger(server, clock, NEW))
    assert await claim(_ledger(server, clock, "")) == []


@pytest.mark.parametrize("masters", ["", OLD], ids=["no_key", "another_key"])
async def test_jobs_that_this_worker_has_no_key_for_are_told_apart(
    server: fakeredis.FakeServer, clock: Clock, masters: str
) -> None:
    await fill(_ledger(server, clock, NEW), new_job("k0", body=BODY), new_job("k1", body=BODY))
    call = transitions.claim("b1", worker="w", lease=LEASE, target=TARGET, most=9, rooms={})
    claims = await _ledger(server, clock, masters).do(call)
    assert (claims.jobs, [job.key for job in claims.sealed]) == ([], ["k0", "k1"])


async def test_an_answer_is_recorded_though_the_keys_were_rotated_away_while_it_was_awaited(
    server: fakeredis.FakeServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = _ledger(server, clock, OLD)
    await fill(worker, new_job("k", body=BODY))
    [job] = await claim(worker)
    assert await send(worker, job)
    await _ledger(server, clock, f"{NEW},{OLD}").encryption.rotate()
    monkeypatch.setattr(encryption, "CACHED_SECONDS", 0.0)
    assert await say(worker, answer(job, Event.CREATED, widget="w-1")) == [True]
    shown = (await _ledger(server, clock, NEW).queries.job("b1.1")).result
    assert shown is not None
    assert shown.key == "key of w-1"


async def test_nothing_is_taken_in_with_keys_that_were_rotated_away(
    server: fakeredis.FakeServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = _ledger(server, clock, OLD)
    await fill(door, new_job("k"))
    await _ledger(server, clock, f"{NEW},{OLD}").encryption.rotate()
    monkeypatch.setattr(encryption, "CACHED_SECONDS", 0.0)
    with pytest.raises(KeylessError, match="PROVISION_ENCRYPTION_KEYS"):
        await fill(door, new_job("new"), batch="b2")
    census = await _ledger(server, clock, NEW).encryption.census()
    assert (census.opened, census.closed) == (2, 0)  # no key of b2 that none but the door could open


async def test_destroying_the_key_of_a_batch_that_has_none_does_not_make_the_ledger_an_encrypted_one(
    server: fakeredis.FakeServer, clock: Clock
) -> None:
    plain = _ledger(server, clock, "")
    await _live(plain)
    assert not await plain.operations.shred("b1", actor="ana")
    another = _ledger(server, clock, "")
    assert not (await another.encryption.census()).keys
    await fill(another, new_job("new"), batch="b2")


async def _found_by_nobody_but_made(server: fakeredis.FakeServer, clock: Clock) -> Claim:
    """A job is created that a person had said to be absent. Returns: its lost POST, to be answered late."""
    ledger = _ledger(server, clock, NEW)
    await fill(ledger, new_job("k"))
    [lost] = await claim(ledger)
    assert await send(ledger, lost)
    clock.advance(LEASE + 1)
    await ledger.do(transitions.rescue("b1", on_in_doubt="hold"))
    assert await ledger.operations.resolve("b1", 1, created=False, actor="ana")
    [job] = await claim(ledger)
    assert await send(ledger, job)
    await say(ledger, answer(job, Event.CREATED, widget="w-2"))
    return lost


@pytest.mark.parametrize("has_the_key", [False, True], ids=["asks_for_the_key", "still_has_the_key"])
async def test_a_second_widget_is_counted_though_its_answer_comes_after_the_key_was_destroyed(
    server: fakeredis.FakeServer, clock: Clock, has_the_key: bool
) -> None:
    lost = await _found_by_nobody_but_made(server, clock)
    late = _ledger(server, clock, NEW)
    if has_the_key:
        await late.encryption.seal("b1", b"{}")
    await _ledger(server, clock, NEW).operations.shred("b1", actor="ana")
    assert await say(late, answer(lost, Event.CREATED, widget="w-1")) == [True]
    job = await _ledger(server, clock, NEW).queries.job("b1.1")
    assert job.bounds == Bounds(2, 2)
    assert (job.result, job.late_results) == (None, [])


async def test_jobs_can_be_shown_where_whoever_destroyed_the_key_died_before_the_widgets_were_gone(
    server: fakeredis.FakeServer, clock: Clock
) -> None:
    await _live(_ledger(server, clock, NEW))
    await _ledger(server, clock, NEW).encryption.shred("b1")
    shown = [job.result async for job in _ledger(server, clock, NEW).queries.jobs("b1")]
    assert shown == [None, None, None]


async def test_a_key_that_is_lost_is_not_taken_for_one_that_was_destroyed(
    server: fakeredis.FakeServer, clock: Clock
) -> None:
    await _live(_ledger(server, clock, NEW))
    reader = _ledger(server, clock, NEW)
    lost: Any = reader.redis
    await lost.hdel(keys.DATA_KEYS, "b1")
    with pytest.raises(SealedError, match="lost"):
        await reader.queries.job("b1.1")


def test_keys_stand_between_commas_or_lines_and_are_never_quoted() -> None:
    assert load_masters(f"{NEW}, {OLD}") is not None
    assert load_masters(f"{NEW}\n{OLD}\n") is not None
    assert load_masters(" ") is None
    with pytest.raises(ConfigurationError) as error:
        load_masters(NEW[:-3])
    assert NEW[:10] not in str(error.value)


@pytest.mark.parametrize("ended", [False, True])
async def test_a_body_handed_over_in_another_batch_is_sealed_for_the_batch_it_lies_in(
    server: fakeredis.FakeServer, clock: Clock, *, ended: bool
) -> None:
    ledger = _ledger(server, clock, NEW)
    await fill(ledger, new_job("k0"), new_job("k1"))
    if ended:
        await ledger.operations.cancel("b1", "ana")
    mended = [new_job("new"), new_job("k1", fingerprint="other", body=BODY)]
    words = await ledger.do(transitions.accept("b2", mended, "ana"))
    assert [each.verdict for each in words] == [Verdict.NEW, Verdict.REDRIVEN if ended else Verdict.REPLACED]
    await ledger.operations.shred("b2", actor="ana")
    assert await _ledger(server, clock, NEW).queries.body("b1.2") == BODY


async def test_a_job_of_a_batch_whose_key_was_destroyed_is_sent_again_and_its_widget_is_kept(
    server: fakeredis.FakeServer, clock: Clock
) -> None:
    ledger = _ledger(server, clock, NEW)
    await fill(ledger, new_job("k0", body=BODY))
    await ledger.operations.cancel("b1", "ana")
    for _ in range(2):
        copy: Any = await ledger.redis.hget(keys.bodies("b1"), "1")
        await ledger.operations.shred("b1", actor="ana")
        [word] = await ledger.do(transitions.accept("b2", [new_job("k0", body=BODY)], "ana"))
        assert word.verdict is Verdict.REDRIVEN
        with pytest.raises(SealedError, match="destroyed"):
            await _ledger(server, clock, NEW).encryption.open(copy)
        [job] = await claim(ledger)
        assert job.body == BODY
        await send(ledger, job)
        await say(ledger, answer(job, Event.REJECTED))
        mended = new_job("k0", body=BODY, fingerprint="other")
        [word] = await ledger.do(transitions.accept("b2", [mended], "ana"))
        assert word.verdict is Verdict.REDRIVEN
        await ledger.operations.cancel("b1", "ana")
    await ledger.do(transitions.accept("b1", [new_job("k0", body=BODY)], "ana"))
    [job] = await claim(ledger)
    await send(ledger, job)
    await say(ledger, answer(job, Event.CREATED))
    record = await _ledger(server, clock, NEW).queries.job("b1.1")
    assert record.result is not None


async def test_what_is_handed_over_again_is_not_sealed_with_a_key_that_another_process_has_destroyed(
    server: fakeredis.FakeServer, clock: Clock
) -> None:
    ledger = _ledger(server, clock, NEW)
    await fill(ledger, new_job("k1", body=BODY))
    await ledger.operations.cancel("b1", "ana")
    await _ledger(server, clock, NEW).operations.shred("b1", actor="ana")
    again = new_job("k1", body=b'{"other":1}')
    [accepted] = await ledger.do(transitions.accept("b1", [again], "ana"))
    assert accepted.verdict is Verdict.REDRIVEN
    assert [job.body for job in await claim(_ledger(server, clock, NEW))] == [b'{"other":1}']


async def test_a_process_without_keys_notices_that_encryption_was_switched_on(
    server: fakeredis.FakeServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyless = _ledger(server, clock, "")
    await fill(keyless, new_job("k1"))
    await fill(_ledger(server, clock, NEW), new_job("k2"), batch="b2")
    now = time.monotonic()
    monkeypatch.setattr(
        "provisioning.ledger.encryption.time.monotonic", lambda: now + encryption.CACHED_SECONDS
    )
    with pytest.raises(ConfigurationError, match="encrypted"):
        await fill(keyless, new_job("k3"), batch="b3")
