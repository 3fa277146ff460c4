"""Users whose passwords cost little to check: the parameters of the hash are in the record."""

from __future__ import annotations

import msgspec

from provisioning.ledger import Ledger, keys
from provisioning.ledger.tokens import Scope
from provisioning.ledger.users import User
from provisioning.owner import DEFAULT
from provisioning.password import hash_password

PASSWORD = "cuatro palabras sin rima"


async def add_user(
    ledger: Ledger, name: str, *scopes: Scope, owner: str = DEFAULT, all_owners: bool = False
) -> User:
    """A user with `PASSWORD`, kept as `Users.create` keeps one."""
    user = User(
        name=name,
        id=f"id-of-{name}",
        scopes=frozenset(scopes),
        password=hash_password(PASSWORD, b"salt", n=2**4, r=1, p=1),
        created_at=0.0,
        owner=owner,
        all_owners=all_owners,
    )
    await ledger.redis.hset(keys.USERS, name, msgspec.json.encode(user))
    return user
