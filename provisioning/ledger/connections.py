"""
Connections that pack commands in C, and know when they lead nowhere.

redis-py has its blocking connections pack commands with hiredis; its asyncio connections do it in Python, an
argument at a time. That was a tenth of what a job costs the worker. After a failover an open connection still
leads to the old primary, a replica now: redis-py would use it for ever. And it gives up a connection on which
PING is refused, as it is while the disk is full; reading works then. It sends by `asyncio.wait_for`, which up
to Python 3.11 returns as if nothing were where the task is cancelled in the same moment: a Ctrl-C was lost.

Where Sentinels look after the Redis, a connection asks them for the primary each time it is made.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
from collections.abc import Iterable
from typing import Any

from redis.asyncio import BlockingConnectionPool, Connection, SSLConnection, UnixDomainSocketConnection
from redis.connection import HiredisRespSerializer
from redis.exceptions import ConnectionError, NoPermissionError, RedisError, ResponseError, TimeoutError

from provisioning.config.sentinel_address import Place, SentinelAddress
from provisioning.ledger.refusals import leads_elsewhere
from provisioning.ledger.sentinels import WHAT_IT_IS, Finder, check_role

_pack = HiredisRespSerializer().pack


class _Ours:
    def pack_command(self, *args: Any) -> list[bytes]:
        """The command as Redis reads it. Raises: DataError for what is neither text, bytes nor a number."""
        pieces: list[bytes] = _pack(*args)
        return pieces

    async def send_packed_command(
        self, command: str | bytes | Iterable[bytes], check_health: bool = True
    ) -> None:
        """As the client has it, and a cancellation always comes through."""
        connection: Any = self
        if not connection.is_connected:
            await connection.connect_check_health(check_health=False)
        if check_health:
            await connection.check_health()
        if isinstance(command, str):
            command = command.encode()
        try:
            async with asyncio.timeout(connection.socket_timeout):
                await connection._send_packed_command([command] if isinstance(command, bytes) else command)
        except BaseException as error:
            # What was sent in part cannot be taken back.
            await connection.disconnect(nowait=True)
            if isinstance(error, builtins.TimeoutError):
                raise TimeoutError("Timeout writing to socket") from None
            if isinstance(error, OSError):
                raise ConnectionError(f"Error while writing to socket: {error}") from error
            raise

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """As the client has it; the connection is given up when it proves not to lead to the primary."""
        try:
            return await super().read_response(*args, **kwargs)  # type: ignore[misc] # it is mixed in
        except RedisError as error:
            if leads_elsewhere(error):
                self.mark_for_reconnect()  # type: ignore[attr-defined]
            raise

    async def _send_ping(self) -> None:
        with contextlib.suppress(ResponseError):  # a server that refuses PING is alive
            await super()._send_ping()  # type: ignore[misc]


class _Tcp(_Ours, Connection):
    pass


class _Tls(_Ours, SSLConnection):
    pass


class _Unix(_Ours, UnixDomainSocketConnection):
    pass


class _Found:
    """To whom the Sentinels call the primary, who must say that it is one."""

    def __init__(self, *, finder: Finder, **options: Any) -> None:
        self._finder = finder
        self._place: Place | None = None
        super().__init__(**options)

    async def connect_check_health(
        self, check_health: bool = True, retry_socket_connect: bool = True
    ) -> None:
        """As the client has it; a connection to another than they named last is given up."""
        connection: Any = self
        if connection.is_connected and self._place != self._finder.last:
            await connection.disconnect()
        if not connection.is_connected:
            self._place = await self._finder.primary()
            connection.host, connection.port = self._place.host, self._place.port
        await super().connect_check_health(check_health, retry_socket_connect)  # type: ignore[misc]

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        """As the client has it, and a look at who is there."""
        connection: Any = self
        await super().on_connect_check_health(check_health=check_health)  # type: ignore[misc]
        await connection.send_command(*WHAT_IT_IS, check_health=False)
        # What a user who may not ask that writes to a replica is refused all the same.
        with contextlib.suppress(NoPermissionError):
            check_role(str(self._place), await connection.read_response())


class _FoundTcp(_Found, _Tcp):
    pass


class _FoundTls(_Found, _Tls):
    pass


_PACKED = {Connection: _Tcp, SSLConnection: _Tls, UnixDomainSocketConnection: _Unix}


def packed(pool: BlockingConnectionPool) -> BlockingConnectionPool:
    """The same pool, before its first connection, with connections that pack in C."""
    pool.connection_class = _PACKED[pool.connection_class]
    return pool


def found_by_sentinels(address: SentinelAddress, **options: Any) -> BlockingConnectionPool:
    """A pool of such connections to whom the Sentinels of an address call the primary."""
    pool: Any = BlockingConnectionPool
    found: BlockingConnectionPool = pool(
        connection_class=_FoundTcp if address.tls is None else _FoundTls,
        finder=Finder(address),
        db=address.database,
        username=address.user or None,
        password=address.password or None,
        **(address.tls or {}),
        **options,
    )
    return found
