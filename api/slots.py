"""Slots for what takes long (uploads, test events, counts): a few in all, and fewer for any one token."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from api.problem import Kind, ProblemError

ALL = 4
"""Uploads read at the same time, each has a thread; and likewise test events and counts."""

OF_A_TOKEN = 2
"""Most of one token at a time, so that others have slots too."""

WAIT_TIMEOUT = 60.0
"""Seconds that a request waits for a slot: less than clients and proxies do."""


class Slots:
    """
    The slots of one server, taken in the order of the requests.

    Args:
        busy: what a request is told for which none becomes free.
    """

    def __init__(
        self,
        busy: str = "too many uploads are in progress; nothing was submitted",
        *,
        wait_timeout: float = WAIT_TIMEOUT,
    ) -> None:
        self._busy = busy
        self._all = asyncio.Semaphore(ALL)
        self._tokens: dict[str, asyncio.Semaphore] = {}
        self._users: dict[str, int] = {}
        self._wait_timeout = wait_timeout

    @contextlib.asynccontextmanager
    async def place(self, token: str) -> AsyncIterator[None]:
        """
        A slot for a request of the token with this id.

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
                    raise ProblemError(Kind.BUSY, self._busy, retry_after=5) from None
                yield
        finally:
            self._users[token] -= 1
            if not self._users[token]:
                del self._users[token], self._tokens[token]
