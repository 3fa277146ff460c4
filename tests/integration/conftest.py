"""A desk to work at, with a sandbox of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import Desk
from tests.support.sandbox_process import running_sandbox


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with running_sandbox("--seed", "3") as sandbox:
        sandbox.post_faults({"latency": "0"})
        desk = Desk(
            tmp_path, API_URL=sandbox.url, CLIENT_ID="sandbox", CLIENT_SECRET="sandbox", RATE="unlimited"
        )
        yield desk
        desk.leave()
