"""Reading the next stretch of an input while the ledger takes down the one before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from threading import Event
from typing import TypeVar

T = TypeVar("T")


@asynccontextmanager
async def read_ahead(chunks: Iterable[T], stop: Event | None = None) -> AsyncIterator[AsyncIterator[T]]:
    """
    The same chunks, each read in a thread while the one before it is worked on.

    Only one thread reads at a time, and none any more when this has been left.

    Args:
        stop: set when this is left, for a reading that might not come back by itself for long.
    """
    loop = asyncio.get_running_loop()
    source = iter(chunks)
    end = object()
    ahead = loop.run_in_executor(None, next, source, end)

    async def each() -> AsyncIterator[T]:
        nonlocal ahead
        # Shielded: who is cancelled here must still find out, below, when the thread has come back.
        while (chunk := await asyncio.shield(ahead)) is not end:
            ahead = loop.run_in_executor(None, next, source, end)
            yield chunk  # type: ignore[misc] # it is not the end

    try:
        yield each()
    finally:
        if stop is not None:
            stop.set()
        await asyncio.gather(ahead, return_exceptions=True)
