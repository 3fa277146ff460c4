"""
The Lua scripts, as files on disk and as calls in values.

A `Call` is one script with its arguments and the reading of its reply; `Scripts.run` sends any number
of them in one pipeline. A pipeline is no transaction: each call is atomic for itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Generic, TypeVar

import msgspec
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import keys
from provisioning.ledger.client import unavailable
from provisioning.ledger.schema import SCRIPTS, layout, lua
from provisioning.ledger.wire import Argument

CONFIRMED_WITHIN_MS = 1000
"""How long replicas are waited for before the same is said again: a lease is many times that."""

T_co = TypeVar("T_co", covariant=True)

Clock = Callable[[], float]
"""Unix seconds. The ledger goes by Redis' own clock unless a test brings another."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """
    One transition, ready to be sent.

    Attributes:
        script: name of the file in `ledger/lua`, without its ending, and of what crosses the line in
            `schema.SCRIPTS`.
        key: the script's KEYS[1]. What else it touches hangs below it or stands in `keys.py`.
        read: makes our value of its reply.
        head, rows: what the script gets.
        home: batch with whose key bodies and results are sealed; empty for the one that `key` names.
        again: makes the call for one job of this one alone, sealed with the key of another batch.
    """

    script: str
    key: str
    read: Callable[[Any], T_co]
    head: msgspec.Struct | None = None
    rows: Sequence[msgspec.Struct] = ()
    home: str = ""
    again: Callable[[int, str], Call[Any]] | None = None

    def arguments(self) -> list[Argument]:
        """Its ARGV[2…]."""
        made: list[Argument] = []
        for structs in ([self.head] if self.head else [], self.rows):
            if structs:
                made += layout(type(structs[0])).arguments(structs)
        return made


@cache
def source(script: str) -> str:
    """Text of a script as Redis gets it: the prelude before it, the words of `schema` in it."""
    folder = resources.files("provisioning.ledger") / "lua"
    return lua(script, (folder / "prelude.lua").read_text() + (folder / f"{script}.lua").read_text())


@cache
def _digest(script: str) -> str:
    return hashlib.sha1(source(script).encode(), usedforsecurity=False).hexdigest()


class Scripts:
    """
    Sends calls to one Redis.

    Args:
        replicas: that are to have what a durable script has written before its reply is believed.
    """

    def __init__(self, redis: Redis, clock: Clock | None = None, *, replicas: int = 0) -> None:
        self._redis: Any = redis
        self._clock = clock
        self._replicas = replicas

    async def run(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """
        Sends all calls in one pipeline and reads their replies, in order.

        Raises: LedgerUnavailableError. After a lost connection it is unknown which calls were carried out;
            every script may be said twice with the same arguments. Likewise where too few replicas have
            confirmed what was written: it may be lost in a failover.
        """
        try:
            return await self._send(calls)
        except NoScriptError:
            # A Redis that was restarted or flushed has forgotten the scripts. Those calls of the
            # pipeline that did run say the same when they run again.
            for script in {call.script for call in calls}:
                await self.load(script)
        try:
            return await self._send(calls)
        except NoScriptError as error:
            raise unavailable(self._redis, error) from error

    async def load(self, script: str) -> None:
        """Tells Redis a script, which it may know."""
        await self._redis.script_load(source(script))

    def command(self, call: Call[Any]) -> tuple[Argument, ...]:
        """A call as Redis is told of it; it must know the script."""
        now = "" if self._clock is None else str(int(self._clock() * 1000))
        return ("EVALSHA", _digest(call.script), 1, call.key, now, *call.arguments())

    def confirmation_of(self, *calls: Call[Any]) -> tuple[tuple[Argument, ...], ...]:
        """
        Commands after which replicas are known to have what these calls wrote on the same connection.

        WAIT goes by the last write of its own connection: said again, a script may write nothing, and the
        write of the first time was another connection's. So there is a write of our own before it.
        """
        if not self._replicas or not any(SCRIPTS[call.script].durable for call in calls):
            return ()
        return ("SET", keys.CONFIRMED, "1"), ("WAIT", self._replicas, CONFIRMED_WITHIN_MS)

    def check_confirmed(self, replicas: Any) -> None:
        """Raises: LedgerUnavailableError if too few have confirmed."""
        if int(replicas) < self._replicas:
            raise LedgerUnavailableError(
                f"{int(replicas)} of {self._replicas} replicas of Redis have what was written",
                hint="look at its replicas (INFO replication); PROVISION_REDIS_REPLICAS says how many must",
            )

    async def _send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        confirmation = self.confirmation_of(*calls)
        if len(calls) == 1 and not confirmation:
            call = calls[0]
            return [call.read(await self._redis.execute_command(*self.command(call)))]
        pipeline = self._redis.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command(*self.command(call))
        for command in confirmation:
            pipeline.execute_command(*command)
        replies = await pipeline.execute()
        if confirmation:
            self.check_confirmed(replies[-1])
        replies = replies[: len(calls)]
        return [call.read(reply) for call, reply in zip(calls, replies, strict=True)]
