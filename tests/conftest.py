"""Fixtures of every room: a real Valkey, a ledger in it, a clock to turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest

from provisioning.ledger import Ledger
from provisioning.ledger.client import connect
from tests.support.ledger_fixtures import Clock
from tests.support.valkey_server import valkey_by_network

hypothesis.settings.register_profile("busy machines", deadline=None)
hypothesis.settings.load_profile("busy machines")

KINDS = (
    *("unit", "docs", "deploy", "bench", "chaos", "workbooks", "clients", "web"),
    *("integration", "acceptance"),
)
"""Folders of tests, the quick kinds first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Has the quick kinds run first; a folder that is not in `KINDS` runs at the end."""
    folder = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        kind = item.path.relative_to(folder).parts[0]
        return KINDS.index(kind) if kind in KINDS else len(KINDS)

    items.sort(key=rank)


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real Valkey of this test process alone (each xdist worker has its own), by network."""
    with valkey_by_network(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture
def clock() -> Clock:
    """The time by which `ledger` goes."""
    return Clock()


@pytest.fixture
async def ledger(valkey_url: str, clock: Clock) -> AsyncIterator[Ledger]:
    """An empty ledger in a real Valkey, on `clock`."""
    redis = connect(valkey_url)
    await redis.flushall()
    async with Ledger(redis, clock) as ledger:
        yield ledger
