"""
Users of the web console: a name and a password instead of an API token.

A user has scopes and an owner as a token has, and the pages see a user as a token. A new password gives the
record a new id; sessions name the id, so those of the former password end.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from typing import Any

import msgspec
from redis.asyncio import Redis

from provisioning.errors import InvalidInputError, NotFoundError
from provisioning.ledger import keys
from provisioning.ledger.client import in_our_words
from provisioning.ledger.tokens import NAME, AccessTokens, Scope, Token
from provisioning.owner import DEFAULT, check_owner
from provisioning.password import SALT_BYTES, PasswordHash, check_new_password, hash_password
from provisioning.text import Text


class User(msgspec.Struct, frozen=True):
    """
    The record of a user.

    Attributes:
        id: random; another one with each password.
        owner: as of a `Token`.
        all_owners: as of a `Token`.
        created_at: Unix seconds.
    """

    name: str
    id: str
    scopes: frozenset[Scope]
    password: PasswordHash
    created_at: float
    owner: str = DEFAULT
    all_owners: bool = False

    def __repr__(self) -> str:
        return f"User(name={self.name!r})"

    def public(self) -> dict[str, Any]:
        """The user as `--json` lists it."""
        return {
            "name": self.name,
            "scopes": sorted(self.scopes),
            "owner": self.owner,
            "all_owners": self.all_owners,
            "created_at": self.created_at,
        }

    @property
    def token(self) -> Token:
        """What the pages ask for name, scopes and owner. No secret fits it, so it opens nothing by itself."""
        return Token(
            id=self.id,
            name=self.name,
            scopes=self.scopes,
            digest="",
            created_at=self.created_at,
            owner=self.owner,
            all_owners=self.all_owners,
        )


_decode = msgspec.json.Decoder(User).decode


def check_scopes(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """The scopes, if a user may have them. Raises: InvalidInputError."""
    found = frozenset(scopes)
    if Scope.READ not in found or Scope.METRICS in found:
        raise InvalidInputError(
            "a user needs the scope read, and cannot have metrics: the web console is pages to read",
            hint="--scope read --scope operate",
        )
    return found


class Users:
    """The users of one ledger."""

    def __init__(self, redis: Redis, tokens: AccessTokens) -> None:
        self._redis: Any = redis
        self._tokens = tokens

    async def create(
        self,
        name: str,
        password: str,
        scopes: Iterable[Scope],
        *,
        owner: str = DEFAULT,
        all_owners: bool = False,
    ) -> User:
        """
        Makes a user.

        Raises: InvalidInputError if the name is in use, also by an API token, because the audit knows people
            and services by name; or if name, password, scopes or owner are not valid.
        """
        check_owner(owner)
        if not NAME.fullmatch(name):
            raise InvalidInputError(
                Text("{name!r} cannot be the name of a user", name=name),
                hint="letters, digits and . _ - up to 64 characters",
            )
        user = User(
            name=name,
            id=_new_id(),
            scopes=check_scopes(scopes),
            password=_hashed(password, name),
            created_at=time.time(),
            owner=owner,
            all_owners=all_owners,
        )
        if any(token.name == name for token in await self._tokens.all()):
            raise InvalidInputError(
                Text("there is a token named {name!r}", name=name), hint="choose another name"
            )
        if not await self._redis.hsetnx(keys.USERS, name, msgspec.json.encode(user)):
            raise InvalidInputError(
                Text("there is a user named {name!r} already", name=name),
                hint=Text("provision user password {name}", name=name),
            )
        return user

    async def all(self) -> list[User]:
        """Every user, by name."""
        return sorted(map(_decode, await self._redis.hvals(keys.USERS)), key=lambda user: user.name)

    async def find(self, name: str) -> User | None:
        """The user of a name, if there is one."""
        value = await self._redis.hget(keys.USERS, name.encode("utf-8", "surrogatepass"))
        return None if value is None else _decode(value)

    async def set_password(self, name: str, password: str) -> None:
        """
        Replaces the password; the sessions of the former one end.

        Raises: NotFoundError; InvalidInputError if it may not be one.
        """
        if await self.find(name) is None:
            raise _not_found(name)
        await self._change(name, id=_new_id(), password=_hashed(password, name))

    async def set_scopes(self, name: str, scopes: Iterable[Scope]) -> None:
        """Replaces the scopes, also of sessions that have begun. Raises: NotFoundError; InvalidInputError."""
        await self._change(name, scopes=check_scopes(scopes))

    async def delete(self, name: str) -> None:
        """Deletes a user; the sessions end. Raises: NotFoundError."""
        if not await self._redis.hdel(keys.USERS, name):
            raise _not_found(name)

    async def _change(self, name: str, **changed: Any) -> None:
        """Changes members of a record, unless somebody deletes it meanwhile. Raises: NotFoundError."""

        async def change(pipeline: Any) -> None:
            value = await pipeline.hget(keys.USERS, name)
            if value is None:
                raise _not_found(name)
            user = msgspec.structs.replace(_decode(value), **changed)
            pipeline.multi()
            pipeline.hset(keys.USERS, name, msgspec.json.encode(user))

        with in_our_words(self._redis):
            await self._redis.transaction(change, keys.USERS)


def _new_id() -> str:
    return secrets.token_hex(16)


def _hashed(password: str, name: str) -> PasswordHash:
    check_new_password(password, name)
    return hash_password(password, secrets.token_bytes(SALT_BYTES))


def _not_found(name: str) -> NotFoundError:
    return NotFoundError(Text("the ledger has no user named {name!r}", name=name), hint="provision user list")
