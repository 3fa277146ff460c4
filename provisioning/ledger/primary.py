"""
Detects a restarted or new primary on each new connection (decision 0036).

A Redis that was restarted, or that became primary in a failover, may have lost its last writes. Clients are
not informed: the address is the same, and only the connection is new. So each connection reads the run id
first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis.exceptions import ResponseError

from provisioning.ledger import keys
from provisioning.ledger.scripts import source


class Primary:
    """
    The primary that a client's connections lead to.

    Attributes:
        run_id: of the last primary; empty before the first.
        on_change: called when a connection leads to another primary, or to the same one after a restart;
            while the connection is being set up, so they must not use one.
    """

    def __init__(self) -> None:
        self.run_id = ""
        self._is_noted = False  # whether a worker has checked the last primary
        self.on_change: list[Callable[[], None]] = []

    async def check(self, connection: Any) -> None:
        """
        Prepares a new connection, as `redis_connect_func`.

        If it leads to another Redis than before, and that may have lost writes, Redis is set to refuse claims
        and new jobs for a time, before the first command (`new_primary.lua`).
        """
        await connection.on_connect()
        try:
            run_id = await self._run_id(connection)
        except ResponseError:
            return  # this user lacks the right
        if run_id == self.run_id:
            return
        try:
            arguments = (keys.PRIMARY, "", run_id, self.run_id if self._is_noted else "")
            await connection.send_command("EVAL", source("new_primary"), 1, *arguments)
            self._is_noted = await connection.read_response() >= 0
        except ResponseError:
            # Redis is full, read-only or without replicas: it refuses other writes too, and reads may go on.
            # The new primary is not recorded yet, so this connection is used only once.
            connection.mark_for_reconnect()
            return
        before, self.run_id = self.run_id, run_id
        if before and before != run_id:  # of simultaneous connections, the first one reports it
            for call in self.on_change:
                call()

    async def _run_id(self, connection: Any) -> str:
        await connection.send_command("INFO", "server")
        info = await connection.read_response()
        text = info if isinstance(info, str) else info.decode()
        for line in text.splitlines():
            name, _, value = line.partition(":")
            if name == "run_id":
                return str(value)
        return ""

    async def expose(self, redis: Any, exposed: bool) -> None:
        """Records whether this Redis may lose acknowledged writes: in a power cut, or in a failover."""
        self._is_noted = True
        await redis.hset(keys.PRIMARY, mapping={"exposed": int(exposed), "run_id": self.run_id})
