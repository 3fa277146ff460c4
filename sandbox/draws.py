"""
Reproducible random draws: each is a function of the decision and of the request.

One seeded generator for the whole server would depend on the order in which concurrent requests arrive, so
that runs of a parallel client would differ.
"""

from __future__ import annotations

import hashlib

DIGEST_BYTES = 16
"""Bytes of a body's digest that are kept: 128 bits, far beyond any accidental collision."""


def digest(body: bytes) -> bytes:
    """Name of a body, byte for byte: the first half of its SHA-256."""
    return hashlib.sha256(body).digest()[:DIGEST_BYTES]


def draw(seed: int, name: str, body_digest: bytes, nth: int) -> float:
    """
    A uniform number on [0, 1) that depends on the arguments alone.

    Args:
        seed: of the run.
        name: what is being decided, such as a fault's name.
        body_digest: as `digest` returns it.
        nth: how many times this very body has been seen, this time included.
    """
    mixed = hashlib.blake2b(b"%d|%s|%d|" % (seed, name.encode(), nth) + body_digest, digest_size=7)
    # 53 bits: every value is a float exactly, and none rounds up to 1.0
    return (int.from_bytes(mixed.digest(), "big") >> 3) / (1 << 53)
