"""What the system tells of a file is never taken for a Redis that is away."""

from __future__ import annotations

import pytest

from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import Ledger


async def test_an_error_of_a_file_passes_a_ledger_as_it_is(valkey_url: str) -> None:
    with pytest.raises(OSError, match="Input/output error") as caught:
        async with Ledger.at(valkey_url):
            raise OSError(5, "Input/output error", "tenants.csv")
    assert caught.value.filename == "tenants.csv"


async def test_a_redis_that_is_away_is_named() -> None:
    with pytest.raises(LedgerUnavailableError, match="cannot be reached"):
        async with Ledger.at("redis://127.0.0.1:1/0") as ledger:
            await ledger.redis.ping()
