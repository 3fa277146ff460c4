"""API tokens as values: what is kept of them, what the settings may hold, who is let in."""

from __future__ import annotations

import hashlib

import pytest

from api.tokens import Tokens, parse_presets
from provisioning.errors import ConfigurationError, InvalidInputError, NotFoundError
from provisioning.ledger import Ledger
from provisioning.ledger.tokens import Scope, make_token


def test_only_a_hash_of_a_token_is_kept() -> None:
    token, secret = make_token("onboarding", [Scope.SUBMIT], 0.0)
    random = secret.split("_", 2)[2]
    assert len(random) == 43  # 256 bits
    assert token.digest == hashlib.sha256(random.encode()).hexdigest()
    assert random not in repr(token) + str(token.public()) + token.preset
    assert token.digest not in repr(token) + str(token.public())


async def test_a_token_of_the_settings_lets_in(ledger: Ledger) -> None:
    token, secret = make_token("onboarding", [Scope.SUBMIT, Scope.READ], 0.0)
    tokens = Tokens(ledger.tokens, parse_presets(f" {token.preset},\n"))
    found = await tokens.holder(secret)
    assert found is not None
    assert (found.name, found.scopes) == ("onboarding", frozenset([Scope.SUBMIT, Scope.READ]))
    with pytest.raises(NotFoundError):
        await ledger.tokens.revoke("onboarding")  # it is taken out where it stands


@pytest.mark.parametrize(
    "text", ["onboarding", "a:submit:id:hash", "a:fly:abcdefgh:" + "0" * 64, "a::abcdefgh:" + "0" * 64]
)
def test_what_is_no_token_in_the_settings_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_presets(text)
    assert text not in refused.value.message


async def test_nobody_is_let_in_by_half_a_token(ledger: Ledger) -> None:
    tokens = Tokens(ledger.tokens)
    token, secret = await ledger.tokens.create("onboarding", [Scope.READ])
    other = make_token("other", [Scope.READ], 0.0)[1]
    assert (await tokens.holder(secret)) == token
    for wrong in (
        "",
        secret[:-1],
        secret + "x",
        secret.upper(),
        other,
        secret[:13] + other[13:],
        "pvt_\udcff",
    ):
        assert await tokens.holder(wrong) is None
    with pytest.raises(InvalidInputError, match="already"):
        await ledger.tokens.create("onboarding", [Scope.READ])
    with pytest.raises(InvalidInputError, match="cannot be the name"):
        await ledger.tokens.create("a b", [Scope.READ])
