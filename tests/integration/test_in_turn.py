"""Calls in a row on one connection to a real Valkey: in order, each carried out, whatever breaks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from cryptography.fernet import Fernet
from redis.asyncio import Redis

from provisioning.errors import LedgerUnavailableError
from provisioning.job import Accepted, Verdict
from provisioning.ledger import Ledger, transitions
from provisioning.ledger.scripts import Call
from tests.support.ledger_fixtures import new_job

ROUNDS = 8
SOME = 30


async def _rounds(between: Callable[[int], Awaitable[object]]) -> AsyncIterator[Call[list[Accepted]]]:
    for n in range(ROUNDS):
        await between(n)
        jobs = [new_job(f"k{n * SOME + m}") for m in range(SOME)]
        yield transitions.accept("b1", jobs, "ana")


async def _all(ledger: Ledger, between: Callable[[int], Awaitable[object]]) -> list[Accepted]:
    await ledger.redis.flushall()
    await ledger.redis.script_flush()  # a new Redis knows none
    await ledger.do(transitions.open_batch("b1", "b1", {}))
    return [word async for words in ledger.do_pipelined(_rounds(between)) for word in words]


async def _nothing(_: int) -> None:
    """Between two calls."""


async def test_calls_are_carried_out_and_answered_for_in_their_order(valkey_url: str) -> None:
    async with Ledger.at(valkey_url) as ledger:
        words = await _all(ledger, _nothing)
    assert [word.job_id for word in words] == [f"b1.{n}" for n in range(1, ROUNDS * SOME + 1)]
    assert {word.verdict for word in words} == {Verdict.NEW}


async def test_a_connection_lost_between_two_calls_is_said_and_the_same_again_brings_the_rest(
    valkey_url: str,
) -> None:
    other = Redis.from_url(valkey_url)

    async def cut(n: int) -> None:
        if n == 2:
            await other.client_kill_filter(_type="normal", skipme=True)

    async with other, Ledger.at(valkey_url) as ledger:
        with pytest.raises(LedgerUnavailableError):
            await _all(ledger, cut)
        recorded = (await ledger.queries.status("b1")).accepted
        assert recorded in (SOME, 2 * SOME)
        words = [word async for words in ledger.do_pipelined(_rounds(_nothing)) for word in words]
        assert (await ledger.queries.status("b1")).accepted == ROUNDS * SOME
    assert Counter(word.verdict for word in words) == {
        Verdict.QUEUED: recorded,
        Verdict.NEW: ROUNDS * SOME - recorded,
    }


async def test_a_script_forgotten_between_two_calls_is_told_again(valkey_url: str) -> None:
    other = Redis.from_url(valkey_url)

    async def forget(n: int) -> None:
        if n == 3:
            await other.script_flush()

    async with other, Ledger.at(valkey_url) as ledger:
        words = await _all(ledger, forget)
    assert {word.job_id for word in words} == {f"b1.{n}" for n in range(1, ROUNDS * SOME + 1)}
    assert {word.verdict for word in words} == {Verdict.NEW}


async def test_an_idle_connection_takes_no_answer_for_that_of_another_call(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # redis-py asks for a PONG, and connects anew, where nothing was read for so long.
    monkeypatch.setattr("provisioning.ledger.client.HEALTH_CHECK", 0.001)

    async def dawdle(_: int) -> None:
        await asyncio.sleep(0.01)

    async with Ledger.at(f"{valkey_url}?retry_on_timeout=true") as ledger:
        words = await _all(ledger, dawdle)
    assert [word.job_id for word in words] == [f"b1.{n}" for n in range(1, ROUNDS * SOME + 1)]
    assert {word.verdict for word in words} == {Verdict.NEW}


async def test_what_breaks_the_source_is_raised_and_leaves_no_answer_behind(valkey_url: str) -> None:
    async def broken(n: int) -> None:
        if n == 4:
            raise TimeoutError("a file on a slow disk")

    async with Ledger.at(valkey_url, connections=1) as ledger:
        with pytest.raises(TimeoutError, match="slow disk"):
            await _all(ledger, broken)
        # The only connection there is answers for what it is asked now.
        assert (await ledger.queries.status("b1")).accepted == 4 * SOME


async def test_a_redis_that_is_gone_is_said_as_such() -> None:
    async with Ledger.at("redis://127.0.0.1:9/0") as ledger:
        with pytest.raises(LedgerUnavailableError):
            async for _ in ledger.do_pipelined(_rounds(_nothing)):
                pass


async def test_bodies_of_jobs_of_another_batch_are_sealed_for_that_one_in_the_midst_of_a_row(
    valkey_url: str,
) -> None:
    async with Ledger.at(valkey_url, masters=Fernet.generate_key().decode()) as ledger:
        await ledger.redis.flushall()
        body = b'{"bot":{"id":"7"}}'
        before = [new_job(f"k{n * SOME}", fingerprint="old") for n in range(ROUNDS)]
        await ledger.do(transitions.accept("b0", before, "ana"))

        async def calls() -> AsyncIterator[Call[list[Accepted]]]:
            for n in range(ROUNDS):
                jobs = [new_job(f"k{n * SOME + m}", body=body) for m in range(SOME)]
                yield transitions.accept("b1", jobs, "ana")

        words = [word async for words in ledger.do_pipelined(calls()) for word in words]
        assert [word.job_id for word in words[::SOME]] == [f"b0.{n}" for n in range(1, ROUNDS + 1)]
        assert {word.verdict for word in words[::SOME]} == {Verdict.REPLACED}
        assert len({word.job_id for word in words}) == ROUNDS * SOME
        await ledger.operations.shred("b1", actor="ana")
        assert await ledger.queries.bodies("b0", range(1, ROUNDS + 1)) == [body] * ROUNDS
