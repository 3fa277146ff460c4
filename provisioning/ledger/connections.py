"""
Connections that pack commands in C.

redis-py has its blocking connections pack commands with hiredis; its asyncio connections do it in Python, an
argument at a time. That was a tenth of what a job costs the worker.
"""

from __future__ import annotations

from typing import Any

from redis.asyncio import BlockingConnectionPool, Connection, SSLConnection, UnixDomainSocketConnection
from redis.connection import HiredisRespSerializer

_pack = HiredisRespSerializer().pack


class _Packing:
    def pack_command(self, *args: Any) -> list[bytes]:
        """The command as Redis reads it. Raises: DataError for what is neither text, bytes nor a number."""
        pieces: list[bytes] = _pack(*args)
        return pieces


class _Tcp(_Packing, Connection):
    pass


class _Tls(_Packing, SSLConnection):
    pass


class _Unix(_Packing, UnixDomainSocketConnection):
    pass


_PACKED = {Connection: _Tcp, SSLConnection: _Tls, UnixDomainSocketConnection: _Unix}


def packed(pool: BlockingConnectionPool) -> BlockingConnectionPool:
    """The same pool, before its first connection, with connections that pack in C."""
    pool.connection_class = _PACKED[pool.connection_class]
    return pool
