"""Users in the ledger: who there is, what they may, what is kept of their passwords."""

from __future__ import annotations

import asyncio

import pytest

from provisioning.errors import InvalidInputError, NotFoundError
from provisioning.ledger import Ledger, keys
from provisioning.ledger.tokens import Scope
from provisioning.password import is_password
from tests.support.users import add_user

PASSWORD = "cuatro palabras sin rima"
READS = [Scope.READ]


async def test_a_password_is_kept_as_a_hash_with_its_salt_and_parameters(ledger: Ledger) -> None:
    one = await ledger.users.create("ana", PASSWORD, READS)
    other = await ledger.users.create("eva", PASSWORD, READS)
    assert one.password.salt != other.password.salt
    assert await ledger.users.find("ana") == one
    assert is_password(PASSWORD, one.password)
    assert PASSWORD not in str(await ledger.redis.hvals(keys.USERS))
    shown = repr(one) + str(one.public()) + repr(one.token)
    assert PASSWORD not in shown
    assert "digest" not in str(one.public())
    assert [user.name for user in await ledger.users.all()] == ["ana", "eva"]


async def test_the_pages_see_a_user_as_a_token_that_no_secret_opens(ledger: Ledger) -> None:
    user = await ledger.users.create("ana", PASSWORD, [Scope.READ, Scope.KEYS], owner="crm")
    assert (user.token.name, user.token.scopes, user.token.sees) == ("ana", user.scopes, "crm")
    assert user.token.digest == ""
    everyones = await ledger.users.create("eva", PASSWORD, READS, all_owners=True)
    assert everyones.token.sees is None


async def test_a_name_means_one_person_or_service(ledger: Ledger) -> None:
    await ledger.users.create("ana", PASSWORD, READS)
    with pytest.raises(InvalidInputError, match="already"):
        await ledger.users.create("ana", PASSWORD, READS)
    with pytest.raises(InvalidInputError, match="user named"):
        await ledger.tokens.create("ana", READS)
    await ledger.tokens.create("crm", READS)
    with pytest.raises(InvalidInputError, match="token named"):
        await ledger.users.create("crm", PASSWORD, READS)


@pytest.mark.parametrize(
    ("name", "password", "scopes", "owner"),
    [
        ("a b", PASSWORD, READS, "default"),
        ("", PASSWORD, READS, "default"),
        ("ana", "short", READS, "default"),
        ("ana", PASSWORD, [Scope.OPERATE], "default"),
        ("ana", PASSWORD, [Scope.READ, Scope.METRICS], "default"),
        ("ana", PASSWORD, READS, "C R M"),
    ],
)
async def test_what_no_user_may_be_is_refused_and_not_kept(
    ledger: Ledger, name: str, password: str, scopes: list[Scope], owner: str
) -> None:
    with pytest.raises(InvalidInputError):
        await ledger.users.create(name, password, scopes, owner=owner)
    assert await ledger.users.all() == []


async def test_a_new_password_is_another_record_and_new_scopes_are_the_same(ledger: Ledger) -> None:
    before = await ledger.users.create("ana", PASSWORD, READS, owner="crm")
    await ledger.users.set_password("ana", "otras cuatro palabras")
    after = await ledger.users.find("ana")
    assert after is not None
    assert after.id != before.id
    assert is_password("otras cuatro palabras", after.password)
    assert not is_password(PASSWORD, after.password)
    assert (after.scopes, after.owner, after.created_at) == (before.scopes, before.owner, before.created_at)
    await ledger.users.set_scopes("ana", [Scope.READ, Scope.OPERATE])
    changed = await ledger.users.find("ana")
    assert changed is not None
    assert (changed.id, changed.password) == (after.id, after.password)
    assert changed.scopes == frozenset([Scope.READ, Scope.OPERATE])


async def test_changes_at_the_same_time_are_all_made(ledger: Ledger) -> None:
    await add_user(ledger, "ana", Scope.READ)
    await asyncio.gather(
        ledger.users.set_password("ana", "otras cuatro palabras"),
        *(ledger.users.set_scopes("ana", [Scope.READ, Scope.OPERATE]) for _ in range(5)),
    )
    user = await ledger.users.find("ana")
    assert user is not None
    assert user.scopes == frozenset([Scope.READ, Scope.OPERATE])
    assert is_password("otras cuatro palabras", user.password)


async def test_who_is_deleted_is_gone_and_no_change_brings_them_back(ledger: Ledger) -> None:
    await ledger.users.create("ana", PASSWORD, READS)
    done = await asyncio.gather(
        *(ledger.users.set_scopes("ana", READS) for _ in range(3)),
        ledger.users.delete("ana"),
        *(ledger.users.set_scopes("ana", READS) for _ in range(3)),
        return_exceptions=True,
    )
    assert all(each is None or isinstance(each, NotFoundError) for each in done), done
    assert await ledger.users.all() == []
    with pytest.raises(NotFoundError):
        await ledger.users.delete("ana")
    with pytest.raises(NotFoundError):
        await ledger.users.set_password("ana", PASSWORD)
    with pytest.raises(NotFoundError):
        await ledger.users.set_scopes("ana", READS)
