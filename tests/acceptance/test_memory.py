"""A file of any size in the memory of a small one."""

from __future__ import annotations

import re
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis

from tests.support.commands import PROVISION, Desk, tenants

MOST_MEGABYTES = 110


@pytest.mark.slow
@pytest.mark.parametrize("rows", [100_000])
def test_memory_stays_flat_while_a_large_file_is_handed_over(rows: int, desk: Desk, redis_url: str) -> None:
    file = tenants(desk.folder / "large.csv", rows)
    process = subprocess.Popen(
        [PROVISION, "apply", str(file), "--detach", "--json"],
        cwd=desk.folder,
        env=desk.environ(REDIS_URL=redis_url),
        stdout=subprocess.DEVNULL,
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, _peak_megabytes(process.pid))
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    assert process.returncode == 0
    assert desk.run("status", "large", "--json", REDIS_URL=redis_url).last["accepted"] == rows
    assert 0 < peak < MOST_MEGABYTES
    with Redis.from_url(redis_url) as redis:
        redis.flushall()


def _peak_megabytes(pid: int) -> int:
    """
    The most memory a process has had so far.

    Not `ru_maxrss`: there a child begins with what its parent had when it was forked.
    """
    with suppress(OSError):
        found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) // 1024 if found else 0
    return 0
