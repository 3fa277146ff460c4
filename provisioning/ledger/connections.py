"""
Connections that pack commands in C, and know when they lead nowhere.

redis-py has its blocking connections pack commands with hiredis; its asyncio connections do it in Python, an
argument at a time. That was a tenth of what a job costs the worker. After a failover an open connection still
leads to the old primary, a replica now: redis-py would use it for ever. And it gives up a connection on which
PING is refused, as it is while the disk is full; reading works then. It sends by `asyncio.wait_for`, which up
to Python 3.11 returns as if nothing were where the task is cancelled in the same moment: a Ctrl-C was lost.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
from collections.abc import Iterable
from typing import Any

from redis.asyncio import BlockingConnectionPool, Connection, SSLConnection, UnixDomainSocketConnection
from redis.connection import HiredisRespSerializer
from redis.exceptions import ConnectionError, RedisError, ResponseError, TimeoutError

from provisioning.ledger.refusals import leads_elsewhere

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
        with contextlib.suppress(ResponseError):  # whoever refuses is there
            await super()._send_ping()  # type: ignore[misc]


class _Tcp(_Ours, Connection):
    pass


class _Tls(_Ours, SSLConnection):
    pass


class _Unix(_Ours, UnixDomainSocketConnection):
    pass


_PACKED = {Connection: _Tcp, SSLConnection: _Tls, UnixDomainSocketConnection: _Unix}


def packed(pool: BlockingConnectionPool) -> BlockingConnectionPool:
    """The same pool, before its first connection, with connections that pack in C."""
    pool.connection_class = _PACKED[pool.connection_class]
    return pool
