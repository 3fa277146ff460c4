"""Whether a Redis may be the ledger. Pure: `ledger.server` brings the facts."""

from __future__ import annotations

from collections.abc import Iterator

from provisioning.broker.redis_rights import rights
from provisioning.checks.finding import Finding, fatal, ok, warning
from provisioning.errors import LedgerUnfitError
from provisioning.ledger.fitness import check_eviction, check_version
from provisioning.ledger.server import RedisFacts

FULL = 0.9
"""Share of its memory from which on a Redis is too full: the HTTP door takes no more at the same."""

SLOW, SLOWEST = 0.010, 0.100
"""Seconds of a round trip: each job waits for three of them, which at the second number is what limits it."""

SKEW = 2.0
"""Seconds that a clock may be off. Leases go by Redis' clock alone; waits, holds and signs are also shown and
compared with our own."""


def judge_redis(facts: RedisFacts) -> Iterator[Finding]:
    """Every finding on one Redis, in the order in which one would mend them."""
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
    """Whether this Redis may lose what it has answered: in a power cut, or to a replica that takes over."""
    on_disk = facts.appendonly and facts.appendfsync == "always"
    return not on_disk or (facts.replicas > 0 and not facts.confirming)


def judge_version(version: str, name: str = "Redis") -> Finding:
    """Whether it has the commands that our scripts use."""
    try:
        check_version(version)
    except LedgerUnfitError as error:
        return fatal("redis.version", error.message, error.hint)
    return ok("redis.version", f"{name} {version}" if name == "Redis" else f"{name}, as Redis {version}")


def judge_eviction(policy: str | None) -> Finding:
    """Whether it keeps every key when its memory runs short."""
    if policy is None:
        return warning(
            "redis.eviction",
            "this Redis does not say whether it evicts keys",
            "make sure that its maxmemory-policy is noeviction",
        )
    try:
        check_eviction(policy)
    except LedgerUnfitError as error:
        return fatal("redis.eviction", error.message, error.hint)
    return ok("redis.eviction", "it evicts nothing")


def judge_skew(seconds: float) -> Finding:
    """Whether our clock and Redis' agree."""
    if abs(seconds) > SKEW:
        return warning(
            "clock.redis",
            f"this host's clock is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} Redis'",
            "set both by NTP; leases go by Redis' clock and hold, but waits and what is shown are off",
        )
    return ok("clock.redis", f"this host and Redis agree to within {max(abs(seconds), 0.01):.2f} s")


def _role(facts: RedisFacts) -> Finding:
    if facts.cluster:
        return fatal(
            "redis.role",
            "this Redis is a node of a cluster: the ledger's scripts use keys of several slots",
            "use one primary, with replicas if you like (docs/decisions/0004-one-redis-primary.md)",
        )
    if facts.role != "master":
        return fatal(
            "redis.role",
            "this Redis is a replica: it takes no writes",
            "set PROVISION_REDIS_URL to its primary",
        )
    has = f"a primary with {facts.replicas} replica{'' if facts.replicas == 1 else 's'}"
    if facts.replicas < facts.confirming:
        return warning(
            "redis.role",
            f"{has}, of which {facts.confirming} must confirm what is written: nothing is sent",
            "connect more replicas, or lower PROVISION_REDIS_REPLICAS",
        )
    if facts.replicas and not facts.confirming:
        return warning(
            "redis.role",
            f"{has} that nobody waits for: a failover may lose intents, and their widgets be made twice",
            "PROVISION_REDIS_REPLICAS=1, for workers, servers and commands",
        )
    return ok(
        "redis.role",
        f"{has}{', of which ' + str(facts.confirming) + ' must confirm' if facts.confirming else ''}",
    )


def _rights(facts: RedisFacts) -> Finding:
    if facts.denied:
        return fatal(
            "redis.rights",
            f"this user of Redis may not use {', '.join(facts.denied)}",
            f"ACL SETUSER NAME {rights()}",
        )
    return ok("redis.rights", "it may be read and written as the ledger is")


def _writes(facts: RedisFacts) -> Finding:
    if facts.refused:
        return fatal(
            "redis.writes",
            f"this Redis takes no writes ({facts.refused})",
            "see its log: its disk may be full, its memory short, or its last snapshot failed",
        )
    return ok("redis.writes", "it takes writes")


def _persistence(facts: RedisFacts) -> Iterator[Finding]:
    if facts.appendonly:
        yield _append_only(facts)
        if not facts.rewritten:
            yield warning(
                "redis.rewrite",
                "the last rewrite of its append-only file failed: the file grows",
                "see its log, and make room for twice the file on its disk",
            )
        return
    mend = "CONFIG SET appendonly yes, and the same in its configuration file"
    if facts.save == "" and not facts.replicas:
        yield fatal(
            "redis.persistence",
            "this Redis keeps nothing on disk: after a restart no job is known, and all could be created"
            " again",
            mend,
        )
    else:
        yield warning(
            "redis.persistence",
            "this Redis has no append-only file: a restart goes back to its last snapshot, and what was sent"
            " since could be created again",
            mend,
        )
    if not facts.snapshot:
        yield warning("redis.snapshot", "its last snapshot failed", "see its log, and make room on its disk")


def _append_only(facts: RedisFacts) -> Finding:
    if not facts.written:
        return fatal(
            "redis.persistence",
            "this Redis could not write its append-only file",
            "see its log: its disk may be full",
        )
    if facts.appendfsync == "no":
        return warning(
            "redis.persistence",
            "appendfsync is no: a power cut may cost half a minute of what was acknowledged",
            "CONFIG SET appendfsync always (or everysec)",
        )
    if facts.appendfsync == "everysec":
        return warning(
            "redis.persistence",
            "append-only, flushed every second: a power cut may lose the intents of two seconds, and their"
            " widgets may be made twice",
            "CONFIG SET appendfsync always, and the same in its configuration file",
        )
    return ok("redis.persistence", f"append-only, flushed {facts.appendfsync or 'as it does not say'}")


def _memory(facts: RedisFacts) -> Finding:
    most = facts.most or facts.host
    if not most:
        return ok("redis.memory", f"{_size(facts.used)} used")
    share = facts.used / most
    limit = "its maxmemory" if facts.most else "its machine's memory"
    said = f"{_size(facts.used)} used of {_size(most)}, {limit}"
    if share >= FULL:
        return warning(
            "redis.memory",
            f"{said}: at the limit it takes no further job",
            "give it memory, or let old batches go: PROVISION_RETENTION_DAYS, provision purge",
        )
    return ok("redis.memory", said)


def _latency(facts: RedisFacts) -> Finding:
    said = f"a round trip takes {facts.latency * 1000:.1f} ms"
    if facts.latency > SLOW:
        lines = "everything waits for it" if facts.latency > SLOWEST else "each job waits for three"
        return warning("redis.latency", f"{said}: {lines}", "put workers and Redis into one network")
    return ok("redis.latency", said)


def _size(count: int) -> str:
    """
    Bytes as people read them.

    >>> _size(3_500_000)
    '3.3 MiB'
    """
    size = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} GiB"
