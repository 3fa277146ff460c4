"""
API tokens: random, shown once, kept as a hash.

A token is `pvt_ID_SECRET`: the id finds the record, the secret is 256 random bits of which the ledger keeps
the SHA-256. A slow hash is for passwords, which can be guessed; this cannot.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec
from redis.asyncio import Redis

from provisioning import keys
from provisioning.errors import ConfigurationError, InvalidInputError, NotFoundError

PREFIX = "pvt"

FRESH_FOR = 1.0
"""Seconds for which a server takes its own word for a token: how long a revoked one may still work there."""

_FORM = re.compile(rf"{PREFIX}_([a-z0-9]{{8}})_([A-Za-z0-9_-]{{43}})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_NOBODY = hashlib.sha256(b"nobody").hexdigest()


class Scope(StrEnum):
    """What a token is good for."""

    SUBMIT = "submit"  # hand jobs over
    READ = "read"  # look at batches and jobs
    OPERATE = "operate"  # pause, resume, cancel, redrive, resolve
    KEYS = "keys"  # see the keys of created widgets
    METRICS = "metrics"  # read /metrics, and nothing else


class Token(msgspec.Struct, frozen=True):
    """
    What is known of a token; from this the token itself cannot be had.

    Attributes:
        digest: SHA-256 of the secret, hexadecimal.
        created_at: Unix seconds; 0 if it comes from the settings.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    digest: str
    created_at: float = 0.0

    def __repr__(self) -> str:
        return f"Token(id={self.id!r}, name={self.name!r})"

    def public(self) -> dict[str, Any]:
        """The token as `--json` lists it."""
        return {
            "name": self.name,
            "id": self.id,
            "scopes": sorted(self.scopes),
            "created_at": self.created_at or None,
        }

    @property
    def preset(self) -> str:
        """The token as PROVISION_API_TOKENS takes it."""
        return f"{self.name}:{'+'.join(sorted(self.scopes))}:{self.id}:{self.digest}"


_decode = msgspec.json.Decoder(Token).decode


def make_token(name: str, scopes: Iterable[Scope], now: float) -> tuple[Token, str]:
    """
    A new token: its record, and the token itself, which is nowhere else.

    Raises: InvalidInputError if the name cannot be one.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"{name!r} cannot be the name of a token", hint="letters, digits and . _ - up to 64 characters"
        )
    id_ = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    secret = secrets.token_urlsafe(32)
    return Token(id_, name, frozenset(scopes), _digest(secret), now), f"{PREFIX}_{id_}_{secret}"


def parse_presets(text: str) -> list[Token]:
    """
    The tokens of PROVISION_API_TOKENS.

    Raises: ConfigurationError, which repeats none of them.
    """
    return [_parse_preset(number, item) for number, item in enumerate(text.replace(",", " ").split(), 1)]


def _parse_preset(number: int, item: str) -> Token:
    name, scopes, id_, digest = (item.split(":") + [""] * 3)[:4]
    known = {str(scope) for scope in Scope}
    if (
        item.count(":") != 3
        or not _NAME.fullmatch(name)
        or not set(scopes.split("+")) <= known
        or not re.fullmatch(r"[a-z0-9]{8}", id_)
        or not re.fullmatch(r"[0-9a-f]{64}", digest)
    ):
        raise ConfigurationError(
            f"PROVISION_API_TOKENS: entry {number} is not NAME:SCOPE+SCOPE:ID:SHA256",
            hint="provision token create NAME --scope read --json prints it as preset",
        )
    return Token(id_, name, frozenset(map(Scope, scopes.split("+"))), digest)


class Tokens:
    """The tokens of one ledger, and those of the settings beside them."""

    def __init__(self, redis: Redis, presets: Iterable[Token] = ()) -> None:
        self._redis: Any = redis
        self._presets = {token.id: token for token in presets}
        self._fresh: dict[str, tuple[Token, float]] = {}

    async def create(self, name: str, scopes: Iterable[Scope]) -> tuple[Token, str]:
        """
        Makes a token. Returns: its record, and the token, which cannot be had again.

        Raises: InvalidInputError if the name is taken or cannot be one.
        """
        token, secret = make_token(name, scopes, time.time())
        if any(known.name == name for known in await self.all()):
            raise InvalidInputError(
                f"there is a token named {name!r} already", hint=f"provision token revoke {name}"
            )
        await self._redis.hset(keys.TOKENS, token.id, msgspec.json.encode(token))
        return token, secret

    async def all(self) -> list[Token]:
        """Every token, by name."""
        kept = [_decode(value) for value in (await self._redis.hgetall(keys.TOKENS)).values()]
        return sorted([*self._presets.values(), *kept], key=lambda token: token.name)

    async def revoke(self, name: str) -> None:
        """
        Takes a token's power away, on every server within `FRESH_FOR`.

        Raises: NotFoundError if the ledger has none of that name.
        """
        found = [token.id for token in await self.all() if token.name == name]
        if not found or not await self._redis.hdel(keys.TOKENS, *found):
            raise NotFoundError(
                f"the ledger has no token named {name!r}",
                hint="provision token list; those of PROVISION_API_TOKENS are taken out there",
            )

    async def holder(self, token: str) -> Token | None:
        """The record of a token that somebody shows; None if it is not good."""
        parts = _FORM.fullmatch(token)
        found = await self._find(parts[1]) if parts else None
        # Compared whether or not there is anything to compare with, so that time tells nothing.
        digest = _digest(parts[2] if parts else token)
        good = hmac.compare_digest(found.digest if found else _NOBODY, digest)
        return found if good else None

    async def _find(self, id_: str) -> Token | None:
        if id_ in self._presets:
            return self._presets[id_]
        now = time.monotonic()
        if (kept := self._fresh.get(id_)) and kept[1] > now:
            return kept[0]
        value = await self._redis.hget(keys.TOKENS, id_)
        if value is None:
            self._fresh.pop(id_, None)
            return None
        token = _decode(value)
        self._fresh[id_] = (token, now + FRESH_FOR)
        return token


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
