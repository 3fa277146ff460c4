"""One tenant, one widget: whatever is applied again, in whatever order, by whomever, wherever it broke."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from producers import submit as submitting
from producers.submit import Submission, submit
from provisioning.job import NewJob, Verdict
from provisioning.ledger import Ledger, SourceFile, keys
from provisioning.ledger.pipelined import Pipelined
from provisioning.ledger.scripts import Call
from provisioning.lifecycle import Event, State
from tests.support.ledger_fixtures import answer, claim, say, send

FILE = SourceFile("t.csv", "a" * 64, 3, "ana")


def job(key: str, text: str = "x") -> NewJob:
    return NewJob(key, "acme", f'{{"bot":{{"id":"1"}},"widget":{{"x":"{text}"}}}}'.encode())


async def apply(
    ledger: Ledger, jobs: Iterable[NewJob], name: str = "t", source: SourceFile | None = None
) -> Submission:
    return await submit(ledger, jobs, name=name, actor="ana", notify=lambda _: None, source=source)


async def widgets(ledger: Ledger, batch: str) -> Counter[str]:
    """Sends all there is to send, each answered with 200. Returns: how often each key was sent."""
    sent: Counter[str] = Counter()
    while jobs := await claim(ledger, batch=batch):
        for each in jobs:
            assert await send(ledger, each)
            await say(ledger, answer(each, Event.CREATED), batch=batch)
            sent[each.key] += 1
    return sent


async def test_the_same_file_again_sends_nothing(ledger: Ledger) -> None:
    jobs = [job(str(n)) for n in range(10)]
    first = await apply(ledger, jobs)
    assert (await apply(ledger, jobs)).verdicts == {Verdict.QUEUED: 10}
    assert (await widgets(ledger, first.batch)).total() == 10
    assert (await apply(ledger, jobs)).verdicts == {Verdict.SUCCEEDED: 10}
    assert not await widgets(ledger, first.batch)


async def test_an_extended_and_reordered_file_sends_only_what_is_new(ledger: Ledger) -> None:
    first = await apply(ledger, [job(str(n)) for n in range(10)])
    await widgets(ledger, first.batch)
    second = await apply(ledger, [job(str(n)) for n in reversed(range(13))])
    assert second.verdicts == {Verdict.SUCCEEDED: 10, Verdict.NEW: 3}
    assert second.batch == first.batch
    assert sorted(await widgets(ledger, first.batch)) == ["10", "11", "12"]


async def test_a_renamed_file_of_known_rows_leaves_no_batch_behind(ledger: Ledger) -> None:
    await apply(ledger, [job("a")])
    await apply(ledger, [job("a")], name="renamed")
    assert [status.name async for status in ledger.queries.batches()] == ["t"]


async def test_a_mended_file_redrives_the_same_jobs_with_their_history(ledger: Ledger) -> None:
    first = await apply(ledger, [job("a", "wrong"), job("b")])
    refused, _ = await claim(ledger, batch=first.batch)
    await send(ledger, refused)
    await say(ledger, answer(refused, Event.REJECTED), batch=first.batch)
    mended = await apply(ledger, [job("a", "right")], name="mended", source=FILE)
    assert (mended.verdicts, mended.touched) == ({Verdict.REDRIVEN: 1}, {first.batch: 1})
    again = await ledger.queries.job(f"{first.batch}.1")
    assert (again.state, len(again.attempts), [move.move for move in again.moves]) == (
        State.QUEUED,
        1,
        ["redriven"],
    )
    assert await ledger.queries.body(again.job_id) == job("a", "right").body
    # The batch that the rows belong to knows the file, under whatever name it was applied.
    assert [source.name for source in (await ledger.queries.status(first.batch)).sources] == ["t.csv"]


@pytest.mark.parametrize("names", [("t", "t"), ("ana's", "ben's")])
async def test_two_people_applying_the_same_file_at_the_same_moment_make_no_second_widget(
    valkey_url: str, ledger: Ledger, names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "CHUNK", 3)
    jobs = [job(str(n)) for n in range(100)]
    async with Ledger(Redis.from_url(valkey_url)) as other:
        one, two = await asyncio.gather(apply(ledger, jobs, names[0]), apply(other, jobs, names[1]))
    assert one.verdicts[Verdict.NEW] + two.verdicts[Verdict.NEW] == 100
    assert one.verdicts[Verdict.QUEUED] + two.verdicts[Verdict.QUEUED] == 100
    sent: Counter[str] = Counter()
    for batch in {one.batch, two.batch}:
        sent += await widgets(ledger, batch)
    assert sent == Counter({str(n): 1 for n in range(100)})


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("killed_at", range(11))
async def test_a_kill_while_the_file_is_read_costs_nothing(
    ledger: Ledger, killed_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "CHUNK", 3)
    jobs = [job(str(n)) for n in range(10)]

    def until_killed() -> Iterator[NewJob]:
        yield from jobs[:killed_at]
        raise Killed

    with pytest.raises(Killed):
        await apply(ledger, until_killed(), source=FILE)
    handed_over = killed_at // 3 * 3
    again = await apply(ledger, jobs, source=FILE)
    expected = {Verdict.NEW: 10 - handed_over, Verdict.QUEUED: handed_over}
    assert again.verdicts == {verdict: count for verdict, count in expected.items() if count}
    assert await widgets(ledger, again.batch) == Counter({str(n): 1 for n in range(10)})


@pytest.mark.parametrize("before", [True, False])
async def test_a_kill_around_a_chunk_costs_nothing(
    ledger: Ledger, before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "CHUNK", 3)
    jobs = [job(str(n)) for n in range(10)]
    say, calls = Pipelined.send, 0

    async def until_killed(self: Pipelined, call: Call[Any]) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2 and before:
            raise Killed
        replies = await say(self, call)
        if calls == 2:
            raise Killed
        return replies

    with monkeypatch.context() as patched:
        patched.setattr(Pipelined, "send", until_killed)
        with pytest.raises(Killed):
            await apply(ledger, jobs)
    again = await apply(ledger, jobs)
    assert again.verdicts[Verdict.NEW] == (7 if before else 4)
    assert await widgets(ledger, again.batch) == Counter({str(n): 1 for n in range(10)})


async def test_a_batch_knows_each_file_that_was_handed_over_to_its_end_once(ledger: Ledger) -> None:
    other = SourceFile("more.csv", "b" * 64, 2, "ben")
    first = await apply(ledger, [job("a")], source=FILE)
    await apply(ledger, [job("a")], source=FILE)
    await apply(ledger, [job("b")], source=other)
    status = await ledger.queries.status(first.batch)
    assert [(each.name, each.sha256, each.rows, each.by) for each in status.sources] == [
        ("t.csv", "a" * 64, 3, "ana"),
        ("more.csv", "b" * 64, 2, "ben"),
    ]
    assert all(each.at for each in status.sources)
    assert "sources" not in status.meta


async def test_an_empty_batch_that_is_taken_back_leaves_no_file_behind(ledger: Ledger) -> None:
    await apply(ledger, [job("a")])
    before = await ledger.redis.keys("*")
    gone = await apply(ledger, [job("a")], name="other", source=FILE)
    assert sorted(await ledger.redis.keys("*")) == sorted(before)
    assert not await ledger.redis.exists(keys.batch(gone.batch))
