"""A desk to work at, a sandbox to send to, a shared Redis to work with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.support.commands import Desk
from tests.support.sandbox_process import SandboxProcess, running_sandbox

QUICK = {"RATE": "unlimited", "BACKOFF_BASE": "0.02", "BACKOFF_CAP": "0.2"}
"""Settings under which a test takes seconds: retries as many as ever, waits short."""


@pytest.fixture(scope="session")
def _one_sandbox() -> Iterator[SandboxProcess]:
    with running_sandbox("--seed", "11") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_one_sandbox: SandboxProcess) -> SandboxProcess:
    """A sandbox that has seen nothing yet and behaves well."""
    _one_sandbox.post_faults({"latency": "0"})
    _one_sandbox.reset()
    return _one_sandbox


@pytest.fixture
def desk(tmp_path: Path, sandbox: SandboxProcess) -> Iterator[Desk]:
    """A desk of its own, with credentials and the sandbox's address; no Redis is set."""
    desk = Desk(tmp_path, API_URL=sandbox.url, CLIENT_ID="sandbox", CLIENT_SECRET="sandbox", **QUICK)
    yield desk
    desk.leave()


@pytest.fixture
def redis_url(valkey_url: str) -> str:
    """A shared Redis with nothing in it."""
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
    return valkey_url
