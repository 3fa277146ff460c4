"""
Pace: how many POSTs a second one credential may start, over all workers and hosts.

The state of a rate limit is one number in Redis (`lua/take.lua`, generic cell rate algorithm). A worker
reserves sending times in small blocks (`worker/flow/pacer.py`), which costs far less than one call per job.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from provisioning.errors import ConfigurationError
from provisioning.text import Text

AHEAD = 0.25
"""Seconds that a reservation may reach into the future: after so long a changed pace applies."""

BURST = 0.1
"""Seconds of unused pace that may be sent at once: at 50/s, five POSTs and the one that is due."""

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Rate:
    """POSTs per second; None is unlimited."""

    per_second: float | None

    @classmethod
    def parse(cls, text: str) -> Rate:
        """
        Reads `5/s`, `300/m`, `1000/h` or `unlimited`.

        Raises: ConfigurationError if it is none of these.
        """
        word = text.strip().lower()
        if word == "unlimited":
            return cls(None)
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*/\s*([smh])", word)
        if match is None or float(match[1]) <= 0:
            raise ConfigurationError(
                Text("{text!r} is not a valid pace", text=text),
                hint="write it as 5/s, 300/m, 1000/h or unlimited",
            )
        return cls(float(match[1]) / _UNITS[match[2]])

    @classmethod
    def of_word(cls, word: str) -> Rate:
        """The rate for a stored `word`."""
        return cls(None if word == "unlimited" else float(word))

    def __str__(self) -> str:
        if self.per_second is None:
            return "unlimited"
        for unit, seconds in _UNITS.items():
            amount = self.per_second * seconds
            if amount >= 1 and abs(amount - round(amount)) < 1e-9:
                return f"{round(amount)}/{unit}"
        return f"{self.per_second:g}/s"

    @property
    def word(self) -> str:
        """The rate as the ledger stores it: POSTs per second, or `unlimited`."""
        return "unlimited" if self.per_second is None else repr(self.per_second)


@dataclass(frozen=True, slots=True)
class Tokens:
    """
    Reserved sending times.

    Attributes:
        count: how many; None if there is no pace.
        start: seconds until the first becomes valid; if none was reserved, seconds until the next call.
        interval: seconds between two of them.
        learned: the pace was learned from 429 answers.
    """

    count: int | None
    start: float
    interval: float
    learned: bool = False
