"""
Connections that pack commands in C, and know when they lead nowhere.

redis-py has its blocking connections pack commands with hiredis; its asyncio connections do it in Python, an
argument at a time. That was a tenth of what a job costs the worker. After a failover an open connection still
leads to the old primary, a replica now: redis-py would use it for ever. And it gives up a connection on which
PING is refused, as it is while the disk is full; reading works then.
"""

from __future__ import annotations

import contextlib
from typing import Any

from redis.asyncio import BlockingConnectionPool, Connection, SSLConnection, UnixDomainSocketConnection
from redis.connection import HiredisRespSerializer
from redis.exceptions import RedisError, ResponseError

from provisioning.ledger.refusals import leads_elsewhere

_pack = HiredisRespSerializer().pack


class _Ours:
    def pack_command(self, *args: Any) -> list[bytes]:
        """The command as Redis reads it. Raises: DataError for what is neither text, bytes nor a number."""
        pieces: list[bytes] = _pack(*args)
        return pieces

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
