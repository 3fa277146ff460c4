"""Checks that a Redis can hold the ledger. Pure: `ledger.server` collects the facts."""

from __future__ import annotations

from collections.abc import Iterator

from provisioning.broker.redis_rights import rights
from provisioning.checks.finding import Finding, fatal, ok, warning
from provisioning.errors import LedgerUnfitError
from provisioning.ledger.fitness import check_eviction, check_version
from provisioning.ledger.server import RedisFacts
from provisioning.text import Text, plural

FULL = 0.9
"""Share of its memory from which a Redis is too full: the HTTP API refuses jobs from the same share."""

SLOW, SLOWEST = 0.010, 0.100
"""Seconds of a round trip: each job needs three of them, and from the second number they are the limit."""

SKEW = 2.0
"""Seconds that a clock may differ. Leases use Redis' clock alone; waits, holds and heartbeats are also
compared with this machine's."""


def judge_redis(facts: RedisFacts) -> Iterator[Finding]:
    """All findings on one Redis, in the order in which to correct them."""
    if "INFO" in facts.denied:
        yield _rights(facts)  # nothing else is known
        return
    yield judge_version(facts.version, facts.name)
    yield _role(facts)
    yield _rights(facts)
    yield _writes(facts)
    yield judge_eviction(facts.policy)
    yield from _persistence(facts)
    yield _memory(facts)
    yield _latency(facts)


def may_lose_writes(facts: RedisFacts) -> bool:
    """Whether this Redis may lose acknowledged writes: in a power cut, or in a failover."""
    on_disk = facts.appendonly and facts.appendfsync == "always"
    return not on_disk or (facts.replicas > 0 and not facts.confirming)


def judge_version(version: str, name: str = "Redis") -> Finding:
    """Whether it has the commands that our scripts use."""
    try:
        check_version(version)
    except LedgerUnfitError as error:
        return fatal("redis.version", error.text, error.advice)
    return ok(
        "redis.version",
        f"{name} {version}"
        if name == "Redis"
        else Text("{name}, as Redis {version}", name=name, version=version),
    )


def judge_eviction(policy: str | None) -> Finding:
    """Whether it evicts keys when its memory is full."""
    if policy is None:
        return warning(
            "redis.eviction",
            "cannot find out whether this Redis evicts keys",
            "make sure that its maxmemory-policy is noeviction",
        )
    try:
        check_eviction(policy)
    except LedgerUnfitError as error:
        return fatal("redis.eviction", error.text, error.advice)
    return ok("redis.eviction", "it evicts no keys")


def judge_skew(seconds: float) -> Finding:
    """Whether this machine's clock and Redis' agree."""
    if abs(seconds) > SKEW:
        return warning(
            "clock.redis",
            Text("this host's clock is {seconds:.1f} s ahead of Redis'", seconds=seconds)
            if seconds > 0
            else Text("this host's clock is {seconds:.1f} s behind Redis'", seconds=-seconds),
            "synchronize both with NTP; leases are not affected, but waits and displayed times are wrong",
        )
    return ok(
        "clock.redis",
        Text("this host and Redis agree to within {seconds:.2f} s", seconds=max(abs(seconds), 0.01)),
    )


def _role(facts: RedisFacts) -> Finding:
    if facts.cluster:
        return fatal(
            "redis.role",
            "this Redis is a cluster node: the scripts of the ledger need keys in several slots",
            "use one primary, with or without replicas (docs/decisions/0004-one-redis-primary.md)",
        )
    if facts.role != "master":
        return fatal(
            "redis.role",
            "this Redis is a replica: it refuses writes",
            "set PROVISION_REDIS_URL to its primary",
        )
    has = plural("a primary with {count} replica", "a primary with {count} replicas", facts.replicas)
    if facts.replicas < facts.confirming:
        return warning(
            "redis.role",
            Text(
                "{has}, of which {confirming} must confirm each write: no job is sent",
                has=has,
                confirming=facts.confirming,
            ),
            "connect more replicas, or lower PROVISION_REDIS_REPLICAS",
        )
    if facts.replicas and not facts.confirming:
        return warning(
            "redis.role",
            Text(
                (
                    "{has} that no write waits for: a failover may lose intents, and widgets may "
                    "be created twice"
                ),
                has=has,
            ),
            "set PROVISION_REDIS_REPLICAS=1 for workers, servers and commands",
        )
    return ok(
        "redis.role",
        Text("{has}, of which {confirming} must confirm", has=has, confirming=facts.confirming)
        if facts.confirming
        else has,
    )


def _rights(facts: RedisFacts) -> Finding:
    if facts.denied:
        return fatal(
            "redis.rights",
            Text("this Redis user lacks the right to use {denied}", denied=", ".join(facts.denied)),
            f"ACL SETUSER NAME {rights()}",
        )
    return ok("redis.rights", "the user has all rights that the ledger needs")


def _writes(facts: RedisFacts) -> Finding:
    if facts.refused:
        return fatal(
            "redis.writes",
            Text("this Redis refuses writes ({refused})", refused=facts.refused),
            "see the Redis log: the disk or the memory may be full, or the last snapshot failed",
        )
    return ok("redis.writes", "it accepts writes")


def _persistence(facts: RedisFacts) -> Iterator[Finding]:
    if facts.appendonly:
        yield _append_only(facts)
        if not facts.rewritten:
            yield warning(
                "redis.rewrite",
                "the last rewrite of its append-only file failed: the file grows",
                "see the Redis log, and free twice the size of the file on its disk",
            )
        return
    mend = Text("run CONFIG SET appendonly yes, and set the same in the configuration file")
    if facts.save == "" and not facts.replicas:
        yield fatal(
            "redis.persistence",
            "this Redis stores nothing on disk: a restart loses all jobs, and all widgets could "
            "be created again",
            mend,
        )
    else:
        yield warning(
            "redis.persistence",
            "this Redis has no append-only file: a restart returns to the last snapshot, and later"
            " widgets could be created again",
            mend,
        )
    if not facts.snapshot:
        yield warning(
            "redis.snapshot", "its last snapshot failed", "see the Redis log, and free space on its disk"
        )


def _append_only(facts: RedisFacts) -> Finding:
    if not facts.written:
        return fatal(
            "redis.persistence",
            "this Redis could not write its append-only file",
            "see the Redis log: the disk may be full",
        )
    if facts.appendfsync == "no":
        return warning(
            "redis.persistence",
            "appendfsync is no: a power cut may lose half a minute of acknowledged writes",
            "run CONFIG SET appendfsync always (or everysec)",
        )
    if facts.appendfsync == "everysec":
        return warning(
            "redis.persistence",
            "append-only, flushed every second: a power cut may lose two seconds of intents, and"
            " those widgets may be created twice",
            "run CONFIG SET appendfsync always, and set the same in the configuration file",
        )
    return ok(
        "redis.persistence",
        Text("append-only, flushed {how}", how=facts.appendfsync or Text("at an unknown interval")),
    )


def _memory(facts: RedisFacts) -> Finding:
    most = facts.most or facts.host
    if not most:
        return ok("redis.memory", Text("{size} used", size=_size(facts.used)))
    share = facts.used / most
    message = Text(
        "{size} used of {most}, {limit}",
        size=_size(facts.used),
        most=_size(most),
        limit=Text("its maxmemory") if facts.most else Text("the memory of its host"),
    )
    if share >= FULL:
        return warning(
            "redis.memory",
            Text("{message}: at the limit no further job is accepted", message=message),
            "add memory, or delete old batches: PROVISION_RETENTION_DAYS, provision purge",
        )
    return ok("redis.memory", message)


def _latency(facts: RedisFacts) -> Finding:
    message = Text("a round trip takes {milliseconds:.1f} ms", milliseconds=facts.latency * 1000)
    if facts.latency > SLOW:
        lines = Text("it slows down everything") if facts.latency > SLOWEST else Text("each job needs three")
        return warning(
            "redis.latency",
            Text("{message}: {lines}", message=message, lines=lines),
            "run workers and Redis in the same network",
        )
    return ok("redis.latency", message)


def _size(count: int) -> Text:
    """
    Bytes as people read them.

    >>> str(_size(3_500_000))
    '3.3 MiB'
    """
    size = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return Text("{size:.3g} {unit}", size=size, unit=unit)
        size /= 1024
    return Text("{size:.3g} {unit}", size=size, unit="GiB")
