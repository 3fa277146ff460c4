"""
The Lua scripts, as files on disk and as calls.

A `Call` is one script with its arguments and the parser of its reply; `Scripts.run` sends any number
of them in one pipeline. A pipeline is no transaction: each call is atomic by itself.
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
from provisioning.text import Text

CONFIRMED_WITHIN_MS = 1000
"""How long to wait for replicas before the call is repeated: a lease is many times longer."""

T_co = TypeVar("T_co", covariant=True)

Clock = Callable[[], float]
"""Unix seconds. The ledger uses Redis' own clock unless a test passes another."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """
    One transition, ready to be sent.

    Attributes:
        script: name of the file in `ledger/lua`, without its extension, and of its arguments in
            `schema.SCRIPTS`.
        key: the script's KEYS[1]. Its other keys begin with it or are in `keys.py`.
        read: converts its reply to our value.
        head, rows: the arguments of the script.
        home: batch with whose key bodies and results are encrypted; empty for the batch of `key`.
        again: returns the call for a single job of this one, encrypted with the key of another batch.
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
    """Text of a script for Redis: with the prelude, and with the names of `schema` replaced."""
    folder = resources.files("provisioning.ledger") / "lua"
    return lua(script, (folder / "prelude.lua").read_text() + (folder / f"{script}.lua").read_text())


@cache
def _digest(script: str) -> str:
    return hashlib.sha1(source(script).encode(), usedforsecurity=False).hexdigest()


class Scripts:
    """
    Sends calls to one Redis.

    Args:
        replicas: number that must confirm the writes of a durable script before its reply counts.
    """

    def __init__(self, redis: Redis, clock: Clock | None = None, *, replicas: int = 0) -> None:
        self._redis: Any = redis
        self._clock = clock
        self._replicas = replicas

    async def run(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """
        Sends all calls in one pipeline and reads their replies, in order.

        Raises: LedgerUnavailableError. After a lost connection it is unknown which calls were executed; every
            script may be repeated with the same arguments. Likewise if too few replicas have confirmed the
            writes: they may be lost in a failover.
        """
        try:
            return await self._send(calls)
        except NoScriptError:
            # A Redis that was restarted or flushed has lost the scripts. Those calls of the
            # pipeline that did run say the same when they run again.
            for script in {call.script for call in calls}:
                await self.load(script)
        try:
            return await self._send(calls)
        except NoScriptError as error:
            raise unavailable(self._redis, error) from error

    async def load(self, script: str) -> None:
        """Loads a script into Redis."""
        await self._redis.script_load(source(script))

    def command(self, call: Call[Any]) -> tuple[Argument, ...]:
        """The command of a call; Redis must have the script."""
        now = "" if self._clock is None else str(int(self._clock() * 1000))
        return ("EVALSHA", _digest(call.script), 1, call.key, now, *call.arguments())

    def confirmation_of(self, *calls: Call[Any]) -> tuple[tuple[Argument, ...], ...]:
        """
        Commands that confirm that replicas have what these calls wrote on the same connection.

        WAIT refers to the last write of its own connection: a repeated script may write nothing, and its
        first write was on another connection. So there is a separate write before it.
        """
        if not self._replicas or not any(SCRIPTS[call.script].durable for call in calls):
            return ()
        return ("SET", keys.CONFIRMED, "1"), ("WAIT", self._replicas, CONFIRMED_WITHIN_MS)

    def check_confirmed(self, replicas: Any) -> None:
        """Raises: LedgerUnavailableError if too few have confirmed."""
        if int(replicas) < self._replicas:
            raise LedgerUnavailableError(
                Text(
                    "{confirmed} of {replicas} replicas of Redis have what was written",
                    confirmed=int(replicas),
                    replicas=self._replicas,
                ),
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
