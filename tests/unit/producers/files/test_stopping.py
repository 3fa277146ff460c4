"""A reading that nobody wants any more ends, though its rows be blank for ever."""

from __future__ import annotations

import asyncio
import io
from threading import Event
from typing import BinaryIO, cast

import pytest

from producers.files.read_ahead import read_ahead
from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from producers.files.source import StoppedError


class Endless(io.RawIOBase):
    """Blank lines without end, after these bytes."""

    def __init__(self, first: bytes = b"") -> None:
        super().__init__()
        self._first = first
        self.asked = Event()

    def read(self, size: int = -1, /) -> bytes:
        self.asked.set()
        first, self._first = self._first[:size], self._first[size:]
        return first or b"\n" * max(size, 0)


@pytest.mark.timeout(20)
async def test_leaving_ends_a_reading_that_would_not_come_back() -> None:
    stop = Event()
    with Reading(cast(BinaryIO, Endless(b"key,bot.id\n")), stop=stop) as reading:
        async with read_ahead(reading, stop):
            pass  # Ctrl-C leaves like this
        assert reading.good == 0


@pytest.mark.timeout(20)
async def test_a_header_that_never_comes_can_be_given_up() -> None:
    stop, endless = Event(), Endless()
    opening = asyncio.create_task(asyncio.to_thread(Reading, cast(BinaryIO, endless), ReadOptions(), stop))
    await asyncio.to_thread(endless.asked.wait)
    stop.set()
    with pytest.raises(StoppedError):
        await opening
