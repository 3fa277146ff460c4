"""
API tokens: random, shown once, kept as a hash.

A token is `pvt_ID_SECRET`: the id finds the record, the secret is 256 random bits of which the ledger keeps
the SHA-256. A slow hash is for passwords, which can be guessed; this cannot.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
from redis.asyncio import Redis

from provisioning.errors import InvalidInputError, NotFoundError
from provisioning.ledger import keys
from provisioning.ledger.schema import Take
from provisioning.ledger.scripts import Call
from provisioning.owner import DEFAULT, check_owner
from provisioning.pace import Rate
from provisioning.text import Text

PREFIX = "pvt"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


class Scope(StrEnum):
    """What a token is good for."""

    SUBMIT = "submit"  # submit jobs
    READ = "read"  # read batches and jobs
    OPERATE = "operate"  # pause, resume, cancel, redrive, resolve
    KEYS = "keys"  # see the keys of created widgets
    METRICS = "metrics"  # read /metrics, and nothing else


class Token(msgspec.Struct, frozen=True):
    """
    The record of a token; the token itself cannot be derived from it.

    Attributes:
        digest: SHA-256 of the secret, hexadecimal.
        created_at: Unix seconds; 0 if it comes from the settings.
        owner: whose token it is: what it hands over is this owner's, and it is shown nothing else.
        all_owners: whether it may look at, and change, what is another owner's.
        expires_at: Unix seconds from which on it is good for nothing; None for never.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    digest: str
    created_at: float = 0.0
    owner: str = DEFAULT
    all_owners: bool = False
    expires_at: float | None = None

    def __repr__(self) -> str:
        return f"Token(id={self.id!r}, name={self.name!r})"

    def public(self) -> dict[str, Any]:
        """The token as `--json` lists it."""
        return {
            "name": self.name,
            "id": self.id,
            "scopes": sorted(self.scopes),
            "owner": self.owner,
            "all_owners": self.all_owners,
            "created_at": self.created_at or None,
            "expires_at": self.expires_at,
        }

    def expired(self, now: float) -> bool:
        """Whether it is good for nothing any more; `now` in Unix seconds."""
        return self.expires_at is not None and self.expires_at <= now

    @property
    def sees(self) -> str | None:
        """The only owner whose things it may see; None if it may see all."""
        return None if self.all_owners else self.owner

    @property
    def preset(self) -> str:
        """
        The token as PROVISION_API_TOKENS takes it: NAME:SCOPE+SCOPE:ID:SHA256, and :OWNER or, if it sees all
        owners, :OWNER*. A setting is changed by hand, so it does not expire.
        """
        form = f"{self.name}:{'+'.join(sorted(self.scopes))}:{self.id}:{self.digest}"
        if self.all_owners:
            return f"{form}:{self.owner}*"
        return form if self.owner == DEFAULT else f"{form}:{self.owner}"


class Reserved(NamedTuple):
    """
    Requests that were reserved.

    Attributes:
        wait: seconds until there is one, if there is none now.
        level: seconds until the next one would be due; negative while some are saved up.
    """

    number: int
    wait: float
    level: float


_decode = msgspec.json.Decoder(Token).decode


def make_token(
    name: str,
    scopes: Iterable[Scope],
    now: float,
    *,
    owner: str = DEFAULT,
    all_owners: bool = False,
    good_for: float | None = None,
) -> tuple[Token, str]:
    """
    A new token: its record, and the token itself, which is stored nowhere.

    Args:
        good_for: seconds; None for as long as nobody revokes it.
    Raises: InvalidInputError if the name, or that of the owner, is not valid.
    """
    check_owner(owner)
    if not NAME.fullmatch(name):
        raise InvalidInputError(
            Text("{name!r} cannot be the name of a token", name=name),
            hint="letters, digits and . _ - up to 64 characters",
        )
    id_ = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    secret = secrets.token_urlsafe(32)
    token = Token(
        id=id_,
        name=name,
        scopes=frozenset(scopes),
        digest=digest_of(secret),
        created_at=now,
        owner=owner,
        all_owners=all_owners,
        expires_at=None if good_for is None else now + good_for,
    )
    return token, f"{PREFIX}_{id_}_{secret}"


def digest_of(secret: str) -> str:
    """The stored hash of a token's secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class AccessTokens:
    """The tokens of one ledger."""

    def __init__(self, redis: Redis, do: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._redis: Any = redis
        self._do = do

    async def create(
        self,
        name: str,
        scopes: Iterable[Scope],
        *,
        owner: str = DEFAULT,
        all_owners: bool = False,
        good_for: float | None = None,
    ) -> tuple[Token, str]:
        """
        Makes a token, see `make_token`. Returns: its record, and the token, which cannot be shown again.

        Raises: InvalidInputError if the name is in use, also by a user of the web console, or not valid.
        """
        token, secret = make_token(
            name, scopes, time.time(), owner=owner, all_owners=all_owners, good_for=good_for
        )
        if any(known.name == name for known in await self.all()):
            raise InvalidInputError(
                Text("there is a token named {name!r} already", name=name),
                hint=Text("provision token revoke {name}", name=name),
            )
        if await self._redis.hexists(keys.USERS, name):
            raise InvalidInputError(
                Text("there is a user named {name!r}", name=name), hint="choose another name"
            )
        # A server of the former version knows no owners: if one still runs, it must not know the token.
        where = keys.TOKENS if owner == DEFAULT else keys.OWNED_TOKENS
        await self._redis.hset(where, token.id, msgspec.json.encode(token))
        return token, secret

    async def all(self) -> list[Token]:
        """Every token, by name."""
        pipeline = self._redis.pipeline(transaction=False)
        for where in (keys.TOKENS, keys.OWNED_TOKENS):
            pipeline.hvals(where)
        kept = [_decode(value) for values in await pipeline.execute() for value in values]
        return sorted(kept, key=lambda token: token.name)

    async def find(self, id_: str) -> Token | None:
        """The token of an id, if there is one."""
        pipeline = self._redis.pipeline(transaction=False)
        for where in (keys.TOKENS, keys.OWNED_TOKENS):
            pipeline.hget(where, id_)
        return next((_decode(value) for value in await pipeline.execute() if value is not None), None)

    async def revoke(self, name: str) -> None:
        """
        Revokes a token; servers may accept it from their cache for a few seconds.

        Raises: NotFoundError if there is none of that name.
        """
        found = [token.id for token in await self.all() if token.name == name]
        pipeline = self._redis.pipeline(transaction=True)
        for where in (keys.TOKENS, keys.OWNED_TOKENS) if found else ():
            pipeline.hdel(where, *found)
        if not any(await pipeline.execute()):
            raise NotFoundError(
                Text("the ledger has no token named {name!r}", name=name),
                hint="provision token list; those of PROVISION_API_TOKENS are taken out there",
            )

    async def reserve(self, id_: str, rate: Rate, most: int, burst: float) -> Reserved:
        """
        Reserves requests of a token's rate, which all servers share (`lua/take.lua`).

        Args:
            burst: seconds' worth of the rate that may come at once.
        """
        scope = f"token:{id_}"
        head = Take(scope, rate.word, most, 0.0, burst)
        reserved: Reserved = await self._do(Call("take", keys.pace(scope), _read_reserved, head))
        return reserved


def _read_reserved(reply: Any) -> Reserved:
    return Reserved(int(reply[0]), float(reply[1]) / 1000, float(reply[5]) / 1000)
