"""Every connection makes sure that a Redis which may have lost writes has been noticed, refusing or not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from chaos.valkey import Valkey
from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import Ledger, transitions
from tests.support.ledger_fixtures import claim, new_job

REFUSING = {
    "NOREPLICAS": ("min-replicas-to-write", "1", "0"),
    "OOM": ("maxmemory", "1", "0"),
}
"""What makes a server refuse writes, by its word: a setting, its value, and the one by which that ends."""


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    valkey = Valkey(tmp_path, "everysec")
    valkey.start()
    yield valkey
    valkey.kill()


async def configure(valkey: Valkey, name: str, value: str) -> None:
    client: Any = Redis(port=valkey.port)
    async with client:
        await client.config_set(name, value)


async def restarted(ledger: Ledger, valkey: Valkey) -> list[str]:
    """A ledger with a job in a Redis that may lose writes and is restarted. Returns: what it will be told."""
    told: list[str] = []
    ledger.primary.on_change.append(lambda: told.append(ledger.primary.run_id))
    await ledger.do(transitions.open_batch("b1", "b1", {}))
    await ledger.do(transitions.accept("b1", [new_job("k1")], "ana"))
    await ledger.expose(True)
    valkey.stop()
    valkey.start()
    return told


@pytest.mark.parametrize("word", REFUSING)
async def test_a_redis_that_refuses_writes_when_it_is_met_settles_when_it_takes_them(
    valkey: Valkey, word: str
) -> None:
    name, value, ended = REFUSING[word]
    async with Ledger.at(valkey.url, connections=2) as ledger:
        told = await restarted(ledger, valkey)
        await configure(valkey, name, value)
        with pytest.raises(LedgerUnavailableError):
            await claim(ledger)
        assert (await ledger.queries.status("b1")).accepted == 1  # it can be read
        assert not told
        await configure(valkey, name, ended)
        with pytest.raises(LedgerUnavailableError, match="may have lost its last writes"):
            await claim(ledger)
        assert len(told) == 1


async def test_of_many_connections_one_tells_of_a_change(valkey: Valkey) -> None:
    async with Ledger.at(valkey.url, connections=8) as ledger:
        told = await restarted(ledger, valkey)
        pool: Any = ledger.redis.connection_pool
        connections = await asyncio.gather(*(pool.get_connection() for _ in range(8)))
        for connection in connections:
            await pool.release(connection)
        assert told == [ledger.primary.run_id]
