"""The created widgets. The real service has no such list; a test that counts duplicates needs one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

from sandbox.contract import Order, Widget, widget_id
from sandbox.draws import DIGEST_BYTES

Tally = tuple[int, int]
"""Counts for one body: requests, and created widgets."""


class Register:
    """
    Counts bodies and stores every widget, in a few dozen bytes each.

    A widget's id and key are functions of its number and the run's seed, so that neither is stored.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._tallies: dict[bytes, Tally] = {}
        self._shared: dict[Tally, Tally] = {}  # a million bodies share a few tuples
        self._order = bytearray()  # digest of the body that made widget 1, 2, 3, …
        self.bots = 0

    @property
    def widgets(self) -> int:
        """Number of widgets."""
        return len(self._order) // DIGEST_BYTES

    def see(self, body_digest: bytes) -> int:
        """Count this body; returns how many times it was received, this time included."""
        seen, made = self._tallies.get(body_digest, (0, 0))
        self._keep(body_digest, (seen + 1, made))
        return seen + 1

    def create(self, order: Order, body_digest: bytes, now: float) -> Widget:
        """
        Make the widget, and its bot if the order names none.

        Args:
            now: Unix seconds.
        """
        seen, made = self._tallies.get(body_digest, (1, 0))
        self._keep(body_digest, (seen, made + 1))
        self._order += body_digest
        bot_id = order.bot_id
        if bot_id is None:
            self.bots += 1
            bot_id = f"b-{self.bots:06d}"
        number = self.widgets
        moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return Widget(number, bot_id, self._key(number), moment)

    def created_twice(self) -> Iterator[bytes]:
        """Digests of the bodies for which more than one widget exists."""
        return (body for body, (_, made) in self._tallies.items() if made > 1)

    def made(self, body_digest: bytes) -> int:
        """How many widgets were created from this body."""
        return self._tallies.get(body_digest, (0, 0))[1]

    def rows(self, offset: int = 0, limit: int | None = None) -> Iterator[dict[str, str]]:
        """Every widget in order of creation: the digest of its body, its id and its key."""
        last = self.widgets if limit is None else min(self.widgets, offset + limit)
        for index in range(offset, last):
            body = self._order[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES]
            yield {"body": body.hex(), "widget": widget_id(index + 1), "key": self._key(index + 1)}

    def _key(self, number: int) -> str:
        mixed = hashlib.blake2b(b"%d|%d" % (self._seed, number), digest_size=12).hexdigest()
        return f"wk_sandbox_{mixed}"  # the prefix lets a search find a leaked key anywhere

    def _keep(self, body_digest: bytes, tally: Tally) -> None:
        self._tallies[body_digest] = self._shared.setdefault(tally, tally)
