"""A cancellation that comes while a command is being sent is never lost: Ctrl-C ends what waits for Redis."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from provisioning.ledger import Ledger


@pytest.mark.parametrize("steps", range(6))
async def test_a_cancellation_comes_through_whenever_it_comes(valkey_url: str, steps: int) -> None:
    async with Ledger.at(valkey_url) as ledger:
        pool: Any = ledger.redis.connection_pool
        connection = await pool.get_connection()
        sending = asyncio.create_task(connection.send_packed_command([b"PING\r\n"], check_health=False))
        for _ in range(steps):
            await asyncio.sleep(0)
        if not sending.done():
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
        await pool.release(connection)
