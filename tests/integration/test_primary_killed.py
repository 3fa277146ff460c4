"""Real Sentinels and the real commands: the primary is killed in mid-batch, and nothing is made twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.ledger.keys import WORKERS
from tests.support.commands import PROVISION, Desk, Running, rows_of, tenants, until
from tests.support.sandbox_process import running_sandbox
from tests.support.sentinels import Sentinels, running_sentinels

ROWS = 300

ADVISED = {"min-replicas-to-write": "1", "min-replicas-max-lag": "10", "maxmemory-policy": "noeviction"}
"""As in docs/how-to/redis-that-survives.md."""


@pytest.fixture
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    with running_sentinels(
        tmp_path_factory.mktemp("redis"), password="p", sentinel_password="s"
    ) as sentinels:
        yield sentinels


def started(desk: Desk, sentinels: Sentinels) -> Running:
    """A worker that the ledger has seen."""
    worker = desk.start_program([PROVISION, "worker"])
    with sentinels.server(sentinels.primary()) as redis:
        until(lambda: redis.zcard(WORKERS) or worker.process.poll() is not None, "the worker is up")
    assert worker.process.poll() is None, worker.end().err
    return worker


def test_a_batch_settles_on_the_next_primary_and_nothing_is_made_twice(
    tmp_path: Path, sentinels: Sentinels
) -> None:
    with running_sandbox("--seed", "5") as sandbox:
        desk = Desk(
            tmp_path,
            API_URL=sandbox.url,
            CLIENT_ID="sandbox",
            CLIENT_SECRET="sandbox",
            RATE="unlimited",
            MAX_IN_FLIGHT="20",
            REDIS_URL=f"sentinel://{sentinels.places}/mymaster/0",
            REDIS_PASSWORD="p",
            SENTINEL_PASSWORD="s",
            REDIS_REPLICAS="1",
        )
        sandbox.post_faults({"latency": "0.3"})
        tenants(tmp_path / "tenants.csv", ROWS)
        worker = started(desk, sentinels)
        try:
            apply = desk.start("apply", "tenants.csv", "--yes")
            until(lambda: sandbox.stats()["posts"] >= ROWS // 6, "POSTs are in flight")
            old = sentinels.kill_primary()
            sentinels.until(lambda: sentinels.primary() != old, "another primary is chosen")
            done = apply.end()
            assert done.code == 0, done.err
            status = desk.status("tenants")
            assert worker.process.poll() is None
            for word in ("Unrecoverable", "chore.failed"):
                assert word not in worker.said
            assert "ledger.lost" in worker.said  # it was felt
            doctor = desk.run("doctor", "--only", "redis", "--only", "broker", "--json")
        finally:
            desk.leave()
        assert (status["settled"], status["states"]["succeeded"]) == (True, ROWS)
        assert (sandbox.stats()["bodies_created_twice"], sandbox.stats()["posts"]) == (0, ROWS)
        assert len(rows_of(next(tmp_path.rglob("created.csv")))) == ROWS
        assert "of which 1 must confirm" in doctor.out
