"""Slots for uploads that are being read: a few in all, and fewer for any one token."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from api.problem import Kind, ProblemError

ALL = 4
"""Uploads read at the same time; each has a thread."""

OF_A_TOKEN = 2
"""Most uploads of one token at a time, so that others have slots too."""

WAIT_TIMEOUT = 60.0
"""Seconds that an upload waits for a slot: less than clients and proxies do."""


class Slots:
    """The slots of one server, taken in the order of the requests."""

    def __init__(self, *, wait_timeout: float = WAIT_TIMEOUT) -> None:
        self._all = asyncio.Semaphore(ALL)
        self._tokens: dict[str, asyncio.Semaphore] = {}
        self._users: dict[str, int] = {}
        self._wait_timeout = wait_timeout

    @contextlib.asynccontextmanager
    async def place(self, token: str) -> AsyncIterator[None]:
        """
        A slot for an upload of the token with this id.

        Raises: ProblemError if none becomes free in time.
        """
        mine = self._tokens.setdefault(token, asyncio.Semaphore(OF_A_TOKEN))
        self._users[token] = self._users.get(token, 0) + 1
        try:
            async with contextlib.AsyncExitStack() as stack:
                try:
                    async with asyncio.timeout(self._wait_timeout):
                        # The token's slot first: a token with too many uploads must not block others.
                        await stack.enter_async_context(mine)
                        await stack.enter_async_context(self._all)
                except TimeoutError:
                    raise ProblemError(
                        Kind.BUSY, "too many uploads are in progress; nothing was submitted", retry_after=5
                    ) from None
                yield
        finally:
            self._users[token] -= 1
            if not self._users[token]:
                del self._users[token], self._tokens[token]
