"""Latency and rate limit of the sandbox. Clocks are arguments."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_LATENCY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:-([0-9]+(?:\.[0-9]+)?))?")
_LIMIT = re.compile(r"([0-9]+(?:\.[0-9]+)?)/(s|m)")


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds before an answer, uniform from `least` to `most`."""

    least: float = 0.0
    most: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Latency:
        """
        Read `0.2` or `0.1-0.4`.

        Raises: ValueError, fit for a person.
        """
        found = _LATENCY.fullmatch(text.strip())
        if not found:
            raise ValueError(f"latency {text!r} is neither seconds (0.2) nor a range of them (0.1-0.4)")
        least = float(found[1])
        most = float(found[2] or least)
        if most < least:
            raise ValueError(f"latency {text!r} ends before it begins")
        return cls(least, most)

    def seconds(self, drawn: float) -> float:
        """The wait for a number drawn on [0, 1)."""
        return self.least + (self.most - self.least) * drawn

    def __str__(self) -> str:
        return f"{self.least:g}" if self.least == self.most else f"{self.least:g}-{self.most:g}"


@dataclass(frozen=True, slots=True)
class Limit:
    """Requests per second that one credential may make, with a second's worth saved up at most."""

    per_second: float

    @classmethod
    def parse(cls, text: str) -> Limit:
        """
        Read `5/s` or `300/m`.

        Raises: ValueError, fit for a person.
        """
        found = _LIMIT.fullmatch(text.strip())
        if not found or not float(found[1]):
            raise ValueError(f"limit {text!r} is no rate (5/s, 300/m)")
        return cls(float(found[1]) / (60 if found[2] == "m" else 1))

    def __str__(self) -> str:
        return f"{self.per_second:g}/s"


class Bucket:
    """
    One credential's tokens: full at first, refilled evenly.

    A sliding window of exactly N a second would also refuse a client that paces itself perfectly and
    whose sixth request the network brings a millisecond early; a bucket does not.
    """

    def __init__(self, limit: Limit, now: float) -> None:
        self._rate = limit.per_second
        self._size = max(1.0, limit.per_second)
        self._tokens = self._size
        self._at = now

    def take(self, now: float) -> int | None:
        """
        Take a token.

        Returns: None if there was one; else whole seconds until there will be, at least 1.
        """
        self._tokens = min(self._size, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return None
        return max(1, math.ceil((1 - self._tokens) / self._rate))
