"""Checks of passwords beside the event loop: scrypt takes a core for a third of a second, and 64 MiB."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from provisioning.password import OF_NOBODY, PasswordHash, is_password

AT_ONCE: Final = 2
"""Threads, and so 128 MiB at most, also if browsers go away meanwhile."""

WAITING: Final = 8
"""Checks that wait for one: the last waits for about two seconds."""


class BusyError(Exception):
    """Too many passwords are being checked."""


class PasswordChecks:
    """The checks of one server."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="password")
        self._pending = 0

    async def is_right(self, password: str, kept: PasswordHash | None) -> bool:
        """
        Whether this is the password; without one to compare it takes as long and is wrong.

        Raises: BusyError if too many wait already.
        """
        if self._pending >= AT_ONCE + WAITING:
            raise BusyError
        self._pending += 1
        try:
            loop = asyncio.get_running_loop()
            right = await loop.run_in_executor(self._pool, is_password, password, kept or OF_NOBODY)
        finally:
            self._pending -= 1
        return right and kept is not None
