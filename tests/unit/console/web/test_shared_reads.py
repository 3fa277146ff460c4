"""Readings that many browsers share."""

from __future__ import annotations

import asyncio

import pytest

from console.web import shared_reads
from console.web.shared_reads import FRESH, SharedReads


class Source:
    """Counts how often it is read."""

    def __init__(self) -> None:
        self.now = 0.0
        self.count = 0
        self.reads = SharedReads(lambda: self.now)

    async def read(self) -> int:
        self.count += 1
        await asyncio.sleep(0)
        return self.count

    async def get(self, name: object = "status", *, fresh: float = FRESH) -> int:
        return await self.reads.get((name,), self.read, fresh=fresh)


async def test_fifty_who_watch_read_once_a_second() -> None:
    source = Source()
    assert set(await asyncio.gather(*(source.get() for _ in range(50)))) == {1}
    source.now = FRESH / 2
    assert await source.get() == 1
    source.now = FRESH
    assert set(await asyncio.gather(*(source.get() for _ in range(50)))) == {2}


async def test_a_persons_own_request_reads_anew_and_others_share_it() -> None:
    source = Source()
    assert [await source.get(), await source.get(fresh=0), await source.get()] == [1, 2, 2]


async def test_what_failed_is_read_again_and_nobody_gets_anothers_reading() -> None:
    source = Source()

    async def fail() -> int:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await source.reads.get(("status",), fail)
    assert await source.get() == 1
    assert await source.get("other") == 2


async def test_what_was_read_before_a_change_was_seen_is_read_anew_once() -> None:
    source = Source()
    assert await source.get() == 1
    source.now = 0.5
    assert await source.get("version") == 2
    source.reads.drop_older_than(("version",))
    assert [await source.get(), await source.get("version")] == [3, 2]
    source.reads.drop_older_than(("version",))
    assert await source.get() == 3


async def test_one_that_goes_away_does_not_end_the_reading_of_the_others() -> None:
    source = Source()
    first, second = asyncio.create_task(source.get()), asyncio.create_task(source.get())
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 1


async def test_old_readings_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_reads, "MOST", 10)
    source = Source()
    for n in range(100):
        source.now = float(n)
        await source.get(n)
    assert len(source.reads._read) <= 10
