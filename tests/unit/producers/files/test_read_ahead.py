"""A chunk ahead, in order, by one thread at a time, and never after it was left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from producers.files.read_ahead import read_ahead


async def test_chunks_come_in_order_and_the_next_is_read_while_one_is_worked_on() -> None:
    begun = [threading.Event() for _ in range(4)]

    def source() -> Iterator[int]:
        for n in range(3):
            begun[n].set()
            yield n
        begun[3].set()

    seen = []
    async with read_ahead(source()) as chunks:
        async for n in chunks:
            assert begun[n + 1].wait(10)
            seen.append(n)
    assert seen == [0, 1, 2]


async def test_what_the_input_raises_comes_where_it_stood() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("row 2")

    async with read_ahead(source()) as chunks:
        assert await anext(chunks) == 1
        with pytest.raises(ValueError, match="row 2"):
            await anext(chunks)


async def test_nothing_is_read_any_more_once_it_was_left() -> None:
    reading = threading.Event()
    go_on = threading.Event()
    left = []

    def source() -> Iterator[int]:
        yield 1
        reading.set()
        go_on.wait(10)
        left.append("read")
        yield 2
        left.append("read too far")

    async with read_ahead(source()) as chunks:
        assert await anext(chunks) == 1
        assert reading.wait(10)
        go_on.set()
    assert left == ["read"]


async def test_who_is_cancelled_in_the_midst_of_a_read_leaves_once_the_thread_has_come_back() -> None:
    reading = threading.Event()
    go_on = threading.Event()
    story = []

    def source() -> Iterator[int]:
        reading.set()
        go_on.wait(10)
        story.append("read")
        yield 1

    async def work() -> None:
        try:
            async with read_ahead(source()) as chunks:
                await anext(chunks)
        finally:
            story.append("left")

    task = asyncio.create_task(work())
    assert await asyncio.to_thread(reading.wait, 10)
    task.cancel()
    asyncio.get_running_loop().call_later(0.1, go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert story == ["read", "left"]
