"""Waiting, once for each kind of client."""

from __future__ import annotations

import asyncio
import time


def sleep(seconds: float) -> None:
    """Waits in this thread."""
    time.sleep(seconds)


async def sleep_async(seconds: float) -> None:
    """Waits on the event loop."""
    await asyncio.sleep(seconds)
