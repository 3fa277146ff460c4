"""
Credential names that jobs may use: those that workers have registered, if any has.

A job with an unknown name would be queued and held, and would appear in every status until it is cancelled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Iterator

from provisioning.errors import InvalidJobError
from provisioning.job import NewJob
from provisioning.ledger import Ledger

LOOK_EVERY = 5.0
"""Seconds between reads."""

REMEMBERED = 86_400.0
"""Seconds for which a name is known after it was last registered: a worker that stops removes its names."""


class KnownCredentials:
    """The names in one ledger, as one process has read them."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._clock = clock
        self._looked: float | None = None
        self._seen: dict[str, float] = {}

    async def names(self) -> frozenset[str] | None:
        """The names that jobs may use; None for any, if no worker has registered its own yet."""
        now = self._clock()
        if self._looked is None or now - self._looked >= LOOK_EVERY:
            found = await self._ledger.queries.credential_names()
            self._looked = now
            self._seen = {name: at for name, at in self._seen.items() if now - at < REMEMBERED}
            self._seen |= dict.fromkeys(found, now)
        return frozenset(self._seen) or None


def of_known(
    items: Iterable[NewJob | InvalidJobError], known: Container[str] | None
) -> Iterator[NewJob | InvalidJobError]:
    """The same, with a problem instead of each job whose credential is unknown."""
    for item in items:
        unknown = known is not None and isinstance(item, NewJob) and item.credential not in known
        yield unknown_credential(item.row) if unknown else item


def unknown_credential(row: int | None) -> InvalidJobError:
    """The problem of such a job; the name is not repeated, because it may be a secret in the wrong column."""
    return InvalidJobError(
        "no worker has a credential with this name",
        row=row,
        field="credential",
        value="(not shown)",
        hint="provision doctor shows which credentials workers have",
    )
