"""Authentication: tokens of the ledger, and those of PROVISION_API_TOKENS."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Iterable

from provisioning.errors import ConfigurationError
from provisioning.ledger.tokens import NAME, PREFIX, AccessTokens, Scope, Token, digest_of
from provisioning.owner import DEFAULT, is_owner

FRESH_FOR = 1.0
"""Seconds for which a server caches a token: a revoked one may work there for so long."""

_FORM = re.compile(rf"{PREFIX}_([a-z0-9]{{8}})_([A-Za-z0-9_-]{{43}})")
_NOBODY = digest_of("nobody")


def parse_presets(text: str) -> list[Token]:
    """
    The tokens of PROVISION_API_TOKENS.

    Raises: ConfigurationError, which repeats none of them.
    """
    return [_parse_preset(number, item) for number, item in enumerate(text.replace(",", " ").split(), 1)]


def _parse_preset(number: int, item: str) -> Token:
    name, scopes, id_, digest, owner, *more = (item.split(":") + [""] * 4)[: max(5, item.count(":") + 1)]
    whose = owner.removesuffix("*") or DEFAULT
    known = {str(scope) for scope in Scope}
    if (
        more
        or not NAME.fullmatch(name)
        or not set(scopes.split("+")) <= known
        or not re.fullmatch(r"[a-z0-9]{8}", id_)
        or not re.fullmatch(r"[0-9a-f]{64}", digest)
        or not is_owner(whose)
    ):
        raise ConfigurationError(
            f"PROVISION_API_TOKENS: entry {number} is not NAME:SCOPE+SCOPE:ID:SHA256[:OWNER]",
            hint="provision token create NAME --scope read --json prints the entry (member preset)",
        )
    return Token(
        id=id_,
        name=name,
        scopes=frozenset(map(Scope, scopes.split("+"))),
        digest=digest,
        owner=whose,
        all_owners=owner.endswith("*"),
    )


class Tokens:
    """The tokens of one ledger, and those of the settings."""

    def __init__(self, kept: AccessTokens, presets: Iterable[Token] = ()) -> None:
        self._kept = kept
        self._presets = {token.id: token for token in presets}
        self._fresh: dict[str, tuple[Token, float]] = {}

    async def holder(self, token: str) -> Token | None:
        """The record of a presented token; None if it is not valid."""
        parts = _FORM.fullmatch(token)
        found = await self._find(parts[1]) if parts else None
        # Always compared, also if there is no such token, so that timing reveals nothing.
        digest = digest_of(parts[2] if parts else token)
        good = hmac.compare_digest(found.digest if found else _NOBODY, digest)
        return found if good and found and not found.expired(time.time()) else None

    async def by_id(self, id_: str) -> Token | None:
        """The record of a token that somebody has shown before; None if it is not valid any more."""
        found = await self._find(id_)
        return None if found is None or found.expired(time.time()) else found

    async def _find(self, id_: str) -> Token | None:
        if id_ in self._presets:
            return self._presets[id_]
        now = time.monotonic()
        if (fresh := self._fresh.get(id_)) and fresh[1] > now:
            return fresh[0]
        token = await self._kept.find(id_)
        if token is None:
            self._fresh.pop(id_, None)
        else:
            self._fresh[id_] = (token, now + FRESH_FOR)
        return token
