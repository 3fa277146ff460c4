"""A file of any size in the memory of a small one."""

from __future__ import annotations

import os
import subprocess

import pytest
from redis import Redis

from tests.acceptance.commands import PROVISION, Desk, tenants

MOST_MEGABYTES = 150


@pytest.mark.slow
@pytest.mark.parametrize("rows", [200_000])
def test_memory_stays_flat_while_a_large_file_is_handed_over(rows: int, desk: Desk, redis_url: str) -> None:
    file = tenants(desk.folder / "large.csv", rows)
    process = subprocess.Popen(
        [PROVISION, "apply", str(file), "--detach", "--json"],
        cwd=desk.folder,
        env=desk.environ(REDIS_URL=redis_url),
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    assert desk.run("status", "large", "--json", REDIS_URL=redis_url).last["accepted"] == rows
    assert usage.ru_maxrss / 1024 < MOST_MEGABYTES
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
