"""A primary, two replicas behind links that may stall, and the address that leads to the primary."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from chaos.valkey import Fsync, Valkey
from tests.support.wire import Wire

WAIT_SECONDS = 30.0
"""Far more than a replica takes to follow (some tenths), for busy machines."""


class Replicas:
    """
    The configuration of docs/how-to/redis-that-survives.md: one primary, two replicas, one address.

    Attributes:
        primary: whom the address leads to.
        followers: the others, each behind the link of the same place.
        front: the address.
    """

    def __init__(self, folder: Path, fsync: Fsync = "always") -> None:
        self._folder = folder
        self.servers = [self._made(name, fsync) for name in ("a", "b", "c")]
        self.primary, *self.followers = self.servers
        self.links = [Wire(self.primary.port) for _ in self.followers]
        self.front = Wire(self.primary.port)

    async def start(self) -> None:
        """Starts all three and waits until both replicas are in step."""
        for server in self.servers:
            server.start()
        for follower, link in zip(self.followers, self.links, strict=True):
            await self.follow(follower, link.port)

    def part(self) -> None:
        """The primary is alone: nothing goes by the links any more, and what was on them is gone."""
        for link in self.links:
            link.lead_to(None)
            link.cut()

    async def fail_over(self) -> None:
        """The primary dies, and a replica takes its place."""
        self.primary.kill()
        self.part()
        await self.promote()

    async def promote(self) -> None:
        """As the how-to says: the furthest replica becomes primary, the other follows, the address moves."""
        reached = [int((await info(each))["slave_repl_offset"]) for each in self.followers]
        furthest = self.followers[reached.index(max(reached))]
        self.followers.remove(furthest)
        self.primary = furthest
        await say(furthest, "REPLICAOF", "NO", "ONE")
        self.front.lead_to(furthest.port)
        self.front.cut()
        for other in self.followers:
            await self.follow(other, furthest.port)

    async def follow(self, server: Valkey, port: int) -> None:
        """Has a server follow the primary at a port, and waits until it is in step."""
        await say(server, "REPLICAOF", "127.0.0.1", str(port))

        async def is_linked() -> bool:
            return bool((await info(server))["master_link_status"] == "up")

        await self._until(is_linked)

    def stop(self) -> None:
        """Ends all of it."""
        for each in (self.front, *self.links):
            each.close()
        for server in self.servers:
            server.kill()

    async def _until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not await holds():
            assert time.monotonic() < deadline, f"see {self._folder}"
            await asyncio.sleep(0.02)

    def _made(self, name: str, fsync: Fsync) -> Valkey:
        folder = self._folder / name
        folder.mkdir(parents=True)
        return Valkey(folder, fsync)


async def say(server: Valkey, *words: str) -> Any:
    """What a server answers to a command."""
    client: Any = Redis(host="127.0.0.1", port=server.port)
    async with client:
        return await client.execute_command(*words)


async def info(server: Valkey) -> dict[str, Any]:
    """What it says of its replication."""
    said: dict[str, Any] = await say(server, "INFO", "replication")
    return said
