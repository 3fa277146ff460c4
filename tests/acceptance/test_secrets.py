"""Secrets stay put: no client secret and no widget key where it may be read by others."""

from __future__ import annotations

from typing import Any

from redis import Redis

from tests.support.commands import Desk, rows_of, running_worker, tenants
from tests.support.sandbox_process import running_sandbox

CLIENT, SECRET = "company-one", "s3cret-of-company-one"


def test_no_secret_is_printed_logged_or_handed_to_the_broker(desk: Desk, redis_url: str) -> None:
    tenants(desk.folder / "tenants.csv", 40)
    faults = ("error-500=0.2", "error-422=0.1", "reset-after-create=0.1", "not-json=0.1")
    options = [option for fault in faults for option in ("--fault", fault)]
    with (
        running_sandbox("--client", f"{CLIENT}:{SECRET}", *options) as sandbox,
        Redis.from_url(redis_url) as redis,
    ):
        company = {
            "API_URL": sandbox.url,
            "CLIENT_ID": CLIENT,
            "CLIENT_SECRET": SECRET,
        }
        shared = {**company, "REDIS_URL": redis_url}
        desk.run("apply", "tenants.csv", "--detach", **shared)
        waiting = b"".join(_values(redis, key) for key in redis.scan_iter() if not key.startswith(b"pv:"))
        with running_worker(desk, redis_url, **company) as worker:
            ran = [desk.run("apply", "tenants.csv", "--json", **shared)]
        logged = worker.end()
        assert ran[0].last["states"]["succeeded"] > 0
        looks = (
            ["status"],
            ["jobs", "tenants"],
            ["jobs", "tenants", "--json"],
            ["in-doubt"],
            ["dead-letters"],
        )
        ran += [desk.run(*look, **shared) for look in looks]
        job = next(job for job in ran[3].objects if job["state"] == "succeeded")["job"]
        ran += [desk.run("job", job, **shared), desk.run("job", job, "--json", **shared)]

    keys = [row["outcome.widget_key"] for row in rows_of(desk.folder / "tenants.outcomes" / "created.csv")]
    assert all(keys)
    printed = "".join(each.out + each.err for each in [*ran, logged])
    assert "job" in printed
    for secret in (SECRET, *keys):
        assert secret not in printed
    assert b"tenant-1" not in waiting
    assert b"100200301" not in waiting
    with Redis.from_url(redis_url) as redis:
        names = list(redis.scan_iter())
        ledger = b"".join(_values(redis, key) for key in names)
    for secret in (SECRET, *keys):
        assert secret.encode() not in b"\n".join(names)
    assert SECRET.encode() not in ledger


def _values(redis: Any, key: bytes) -> bytes:
    """Everything under a key."""
    kind = redis.type(key)
    if kind == b"hash":
        return b"".join(redis.hgetall(key).values())
    if kind == b"list":
        return b"".join(redis.lrange(key, 0, -1))
    if kind == b"set":
        return b"".join(redis.smembers(key))
    if kind == b"zset":
        return b"".join(redis.zrange(key, 0, -1))
    if kind == b"stream":
        return b"".join(value for _, entry in redis.xrange(key) for value in entry.values())
    return bytes(redis.get(key))
