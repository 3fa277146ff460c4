"""Reads the facts about the ledger's Redis for `checks.redis_server`."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError

from provisioning.ledger.client import in_our_words
from provisioning.ledger.ledger import Ledger

ROUND_TRIPS = 5


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """
    Facts about one Redis, and its permissions. None: unknown.

    Attributes:
        version: of Redis, or the one that a Valkey is compatible with.
        save: its snapshot points; empty for none.
        used: bytes; `most` those it may use (0: no limit), `host` those of its machine.
        latency: seconds of a round trip, the middle one of some.
        skew: seconds by which this host's clock is ahead of its.
        denied: commands that this user may not execute.
        refused: why it does not accept writes; empty if it does.
        confirming: number of replicas that must confirm writes (`Settings.redis_replicas`).
    """

    version: str
    name: str = "Redis"
    role: str = "master"
    cluster: bool = False
    replicas: int = 0
    appendonly: bool = True
    appendfsync: str | None = "always"
    save: str | None = ""
    written: bool = True
    rewritten: bool = True
    snapshot: bool = True
    policy: str | None = "noeviction"
    used: int = 0
    most: int = 0
    host: int = 0
    latency: float = 0.0
    skew: float = 0.0
    denied: tuple[str, ...] = ()
    refused: str = ""
    confirming: int = 0


SCRATCH = "pv:doctor"

USED: tuple[tuple[str, ...], ...] = (
    *(
        ("HSET", "f", "1"),
        ("HSETNX", "g", "1"),
        ("HGET", "f"),
        ("HMGET", "f"),
        ("HGETALL",),
        ("HEXISTS", "f"),
    ),
    *(("HINCRBY", "f", "1"), ("HLEN",), ("HKEYS",), ("HSCAN", "0"), ("HDEL", "f", "g")),
    *(("ZADD", "1", "m"), ("ZSCORE", "m"), ("ZRANK", "m"), ("ZCARD",), ("ZCOUNT", "0", "1")),
    *(("ZRANGE", "0", "0"), ("ZREVRANGE", "0", "0"), ("ZRANGEBYSCORE", "0", "1"), ("ZREM", "m")),
    *(("ZREMRANGEBYSCORE", "0", "1"), ("ZREMRANGEBYRANK", "0", "1"), ("ZMSCORE", "m")),
    *(("SADD", "m"), ("SCARD",), ("SMEMBERS",), ("SISMEMBER", "m"), ("SRANDMEMBER",), ("SREM", "m")),
    *(("RPUSH", "e"), ("LPUSH", "e"), ("LLEN",), ("LRANGE", "0", "0"), ("LTRIM", "0", "0")),
    *(("LSET", "0", "e"), ("LPOP",), ("RPOP",), ("LINDEX", "0"), ("LREM", "0", "e")),
    *(("INCRBY", "1"), ("DECRBY", "1"), ("DECR",), ("HVALS",)),
    *(("SET", "1"), ("GET",), ("GETEX",), ("MGET",), ("INCR",), ("EXISTS",)),
    *(("PEXPIRE", "1000"), ("EXPIRE", "1"), ("PTTL",), ("PERSIST",)),
    *(("XADD", "*", "f", "1"), ("XRANGE", "-", "+"), ("XREVRANGE", "+", "-"), ("XLEN",), ("DEL",)),
    ("UNLINK",),
    ("XREAD", "STREAMS", SCRATCH, "0"),  # its key comes later: what counts is whether it may be given at all
)
"""Every command that the ledger uses on a key, with valid arguments."""

_TRY = """
local key, denied, refused = KEYS[1], {}, ''
for _, words in ipairs(cjson.decode(ARGV[1])) do
  local name = table.remove(words, 1)
  local reply = redis.pcall(name, key, unpack(words))
  local said = type(reply) == 'table' and reply.err or ''
  if said:find('NOPERM') or said:find('ACL failure') or said:find("can't run") then
    denied[#denied + 1] = name
  elseif said:find('OOM') or said:find('MISCONF') or said:find('READONLY') then
    refused = said
  end
end
redis.pcall('DEL', key)
return {denied, refused}
"""
"""
Executes every command on a scratch key and leaves nothing. A reply of WRONGTYPE, which most of them get from
a key of another type, shows that the command is permitted: Redis checks that first. It begins with a command
that adds data: after its first write a script is not checked for memory again.
"""


async def read_facts(ledger: Ledger) -> RedisFacts:
    """
    Reads everything; takes some ten round trips.

    Raises: LedgerUnavailableError if it is unavailable or refuses the login.
    """
    # A plain client with the same connections: its own error types distinguish the refusals.
    with in_our_words(ledger.redis):
        facts = await _facts(Redis(connection_pool=ledger.redis.connection_pool))
    return dataclasses.replace(facts, confirming=ledger.replicas)


async def _facts(client: Any) -> RedisFacts:
    try:
        info = await client.info("everything")
    except NoPermissionError:
        return RedisFacts(version="", denied=("INFO",))
    denied, refused = await _tried(client)
    appendfsync = await _config(client, "appendfsync")
    save = await _config(client, "save")
    return RedisFacts(
        version=str(info["redis_version"]),
        name=_name(info),
        role=str(info.get("role", "master")),
        cluster=bool(info.get("cluster_enabled", 0)),
        replicas=int(info.get("connected_slaves", 0)),
        appendonly=bool(info.get("aof_enabled", 0)),
        appendfsync=appendfsync,
        save=save,
        written=info.get("aof_last_write_status", "ok") == "ok",
        rewritten=info.get("aof_last_bgrewrite_status", "ok") == "ok",
        snapshot=info.get("rdb_last_bgsave_status", "ok") == "ok",
        policy=info.get("maxmemory_policy"),
        used=int(info.get("used_memory", 0)),
        most=int(info.get("maxmemory", 0)),
        host=int(info.get("total_system_memory", 0)),
        latency=await _latency(client),
        skew=await _skew(client),
        denied=denied,
        refused=refused,
    )


async def clock_skew(ledger: Ledger) -> float:
    """Seconds that the clock of this host is ahead of Redis', to within half a round trip."""
    return await _skew(ledger.redis)


async def _skew(client: Any) -> float:
    before = time.time()
    seconds, microseconds = await client.time()
    return (before + time.time()) / 2 - (int(seconds) + int(microseconds) / 1e6)


def _name(info: dict[str, Any]) -> str:
    if info.get("server_name") == "valkey":
        return f"Valkey {info['valkey_version']}"
    return "Redis"


async def _tried(client: Any) -> tuple[tuple[str, ...], str]:
    try:
        denied, refused = await client.eval(_TRY, 1, SCRATCH, json.dumps(USED))
    except NoPermissionError:
        return ("EVAL",), ""
    except ResponseError as error:
        return (), str(error)  # a full, read-only or failing Redis may refuse the whole script
    return tuple(name.decode() for name in denied), refused.decode()


async def _config(client: Any, name: str) -> str | None:
    try:
        return dict(await client.config_get(name)).get(name)
    except ResponseError:
        return None  # managed Redis often forbid CONFIG


async def _latency(client: Any) -> float:
    taken = []
    for _ in range(ROUND_TRIPS):
        before = time.perf_counter()
        await client.ping()
        taken.append(time.perf_counter() - before)
    return median(taken)
