"""Calls in a row on one connection: the next is on its way before Redis has answered for the last."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from types import TracebackType
from typing import Any, Self

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as ConnectionLostError
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as TimedOutError

from provisioning.ledger.scripts import Call, Scripts

AHEAD = 1
"""Calls that are sent before an answer is waited for, besides the one that it is for."""


FAREWELL = 1.0
"""Seconds that answers are waited for which nobody will read, when something else has gone wrong."""

_SAY_AGAIN = (NoScriptError, ConnectionLostError, TimedOutError, OSError)


class InTurn:
    """
    Has Redis never wait for us between two calls, and carries out first what was said first.

    An async context manager: what was sent has been carried out when it is left, if Redis answers at all.
    When the connection is lost, or Redis has forgotten a script, what was under way is said again by
    `Scripts.run` (and raises what that raises).
    """

    def __init__(self, redis: Redis, scripts: Scripts) -> None:
        self._pool: Any = redis.connection_pool
        self._scripts = scripts
        self._connection: Any = None
        self._under_way: deque[Call[Any]] = deque()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(FAREWELL):
                while self._connection and self._under_way:
                    await self._answer()
        await self._hang_up()

    async def say(self, call: Call[Any]) -> list[Any]:
        """Sends a call. Returns: what has been answered meanwhile, in order."""
        self._under_way.append(call)
        try:
            if self._connection is None:
                self._connection = await self._pool.get_connection()
            await self._connection.send_command(*self._scripts.command(call))
            return [await self._answer()] if len(self._under_way) > AHEAD else []
        except _SAY_AGAIN:
            return await self._say_again()

    async def rest(self) -> list[Any]:
        """The answers that are still to come."""
        answers = []
        while self._under_way:
            try:
                answers.append(await self._answer())
            except _SAY_AGAIN:
                answers += await self._say_again()
        return answers

    async def _answer(self) -> Any:
        reply = await self._connection.read_response()
        return self._under_way.popleft().read(reply)

    async def _say_again(self) -> list[Any]:
        calls = list(self._under_way)
        await self._hang_up()
        self._under_way.clear()
        return await self._scripts.run(calls)

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._under_way:
                await connection.disconnect()  # the answers to come are nobody's
            await self._pool.release(connection)
