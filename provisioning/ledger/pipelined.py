"""Calls in a row on one connection: the next is on its way before Redis has answered for the last."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from types import TracebackType
from typing import Any, Self

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as ConnectionLostError
from redis.exceptions import NoScriptError, ResponseError

from provisioning.errors import LedgerUnavailableError
from provisioning.ledger.client import in_our_words
from provisioning.ledger.scripts import Call, Scripts

AHEAD = 1
"""Calls that are sent before an answer is waited for, besides the one that it is for."""

CLOSE_TIMEOUT = 1.0
"""Seconds that answers are waited for which nobody will read, when something else has gone wrong."""


class Pipelined:
    """
    Has Redis never wait for us between two calls, and carries out first what was said first (but where a
    Redis forgets its scripts meanwhile).

    An async context manager: what was sent has been carried out when it is left, if Redis answers at all.

    Raises (from `say` and `rest`): LedgerUnavailableError. After a lost connection it is unknown which of
        the calls under way were carried out; nothing is said again.
    """

    def __init__(self, redis: Redis, scripts: Scripts) -> None:
        self._redis = redis
        self._pool: Any = redis.connection_pool
        self._scripts = scripts
        self._connection: Any = None
        self._under_way: deque[Call[Any]] = deque()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is None:
            return
        with contextlib.suppress(LedgerUnavailableError, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self.rest()
        if self._under_way:
            await self._connection.disconnect()  # the answers to come are nobody's
        await self._pool.release(self._connection)

    async def send(self, call: Call[Any]) -> list[Any]:
        """Sends a call. Returns: what has been answered meanwhile, in order."""
        if self._connection is None:
            await self._scripts.load(call.script)
        with in_our_words(self._redis):
            if self._connection is None:
                self._connection = await self._pool.get_connection()
            # redis-py would connect anew, or ask for a PONG first, and mix up the answers that are under way.
            if not self._connection.is_connected:
                raise ConnectionLostError("the connection was lost between two calls")
            commands = [self._scripts.command(call), *self._scripts.confirmation_of(call)]
            packed = self._connection.pack_commands(commands)
            self._under_way.append(call)
            await self._connection.send_packed_command(packed, check_health=False)
        return [await self._answer()] if len(self._under_way) > AHEAD else []

    async def rest(self) -> list[Any]:
        """The answers that are still to come."""
        return [await self._answer() for _ in range(len(self._under_way))]

    async def _read(self) -> Any:
        """One reply; what Redis refused is returned, so that the replies behind it are read as well."""
        try:
            return await self._connection.read_response()
        except ResponseError as error:
            return error

    async def _answer(self) -> Any:
        # Where reading fails, redis-py closes the connection: no answer is left to mistake for another.
        call = self._under_way.popleft()
        try:
            with in_our_words(self._redis):
                replies = [await self._read() for _ in range(1 + len(self._scripts.confirmation_of(call)))]
                if isinstance(replies[0], Exception):
                    raise replies[0]
                if len(replies) > 1:
                    self._scripts.check_confirmed(replies[-1])
                return call.read(replies[0])
        except NoScriptError:  # Redis has forgotten it since: the call was not carried out
            [answer] = await self._scripts.run([call])
            return answer
