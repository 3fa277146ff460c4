"""
Encryption at rest: bodies and widgets are encrypted ("sealed") before they are written, and decrypted
("opened") after they are read.

This is envelope encryption. Each batch has its own data key, and all values of a batch are encrypted with it:
if a job of one batch is submitted with another one, its body is encrypted again. A batch whose key was
destroyed gets another one when a job of it is submitted again. The data keys are in the ledger, encrypted by
the master keys of PROVISION_ENCRYPTION_KEYS, which never leave the processes: Redis, its files and backups
contain only ciphertext. After a data key is destroyed, its values can be decrypted only with both an older
copy of the ledger and a master key of that time. Rotating the master keys encrypts the data keys again and
changes no job.

A sealed value is `pv1:BATCH:TOKEN`, TOKEN being Fernet's (AES-128-CBC with HMAC-SHA256); plain JSON begins
with `{` or `[`.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from redis.asyncio import Redis

from provisioning.errors import ConfigurationError, ProvisioningError
from provisioning.ledger import keys
from provisioning.ledger.schema import FINGERPRINT, layout
from provisioning.ledger.scripts import Call
from provisioning.text import AnyText, Text

PREFIX = b"pv1:"
SHREDDED = b"shredded"
"""Stored instead of a destroyed data key, so that no new one is created for it."""

FINGERPRINTS = "fingerprints"
"""Field of `keys.DATA_KEYS` with the key of all fingerprints; no batch has this id: theirs begin with b."""

WEBHOOKS = "webhooks"
"""Likewise, the key for data of webhooks, which is used for all batches."""

CACHED_SECONDS = 30.0
"""Seconds for which a process caches a data key: so long it may still decrypt after a shredding."""

CENSUS = 1000
"""Data keys that a census tries: some 30 ms."""


class SealedError(ProvisioningError):
    """A value in the ledger is encrypted, and cannot be decrypted here."""


class KeylessError(SealedError):
    """It cannot be decrypted here because a master key is missing, which others may have."""

    def __init__(self, message: AnyText) -> None:
        super().__init__(
            message,
            hint="set PROVISION_ENCRYPTION_KEYS here as the others have it, and start this anew; old keys"
            " stay behind the new one until provision rotate-keys has run",
        )


class ShreddedError(SealedError):
    """It cannot be decrypted anywhere: its key was destroyed."""


def load_masters(text: str) -> MultiFernet | None:
    """
    The master keys, the newest first; None if there are none.

    Args:
        text: Fernet keys with commas or lines between.
    Raises: ConfigurationError that quotes no key.
    """
    words = text.replace(",", " ").split()
    try:
        masters = [Fernet(word) for word in words]
    except ValueError:
        raise ConfigurationError(
            "PROVISION_ENCRYPTION_KEYS: one of them is no key",
            hint="make one with: python -c 'from cryptography.fernet import Fernet;"
            " print(Fernet.generate_key().decode())'",
        ) from None
    return MultiFernet(masters) if masters else None


@dataclass(frozen=True, slots=True)
class Census:
    """
    A summary of the data keys of a ledger: how many of a sample can be decrypted here.

    Attributes:
        masters: this process has master keys.
        keys: the ledger has data keys.
        opened, closed: data keys that the master keys can and cannot decrypt; destroyed ones are in neither.
        fingerprints: the masters decrypt the key of all fingerprints, or there is none yet.
    """

    masters: bool
    keys: bool
    opened: int = 0
    closed: int = 0
    fingerprints: bool = True


class Encryption:
    """Encrypts and decrypts for one ledger; without master keys all values remain plain."""

    def __init__(self, redis: Redis, masters: MultiFernet | None) -> None:
        self._redis: Any = redis
        self._masters = masters
        self._cached: dict[str, tuple[float, bytes]] = {}
        self._checked = -CACHED_SECONDS

    # -- transitions ---------------------------------------------------------------------------------

    async def outgoing(self, calls: Sequence[Call[Any]]) -> Sequence[Call[Any]]:
        """
        The same calls with bodies and results encrypted, and with keyed fingerprints.

        Raises: ConfigurationError if the ledger is encrypted and there are no master keys here.
        """
        if not any(_is_sealed(call) for call in calls):
            return calls
        if self._masters is None:
            await self._make_sure_that_nothing_is_sealed(calls)
            return calls
        return [await self._sealed(call) if _is_sealed(call) else call for call in calls]

    async def _make_sure_that_nothing_is_sealed(self, calls: Sequence[Call[Any]]) -> None:
        fresh = time.monotonic() - self._checked < CACHED_SECONDS
        if fresh or all(call.script == "answered" for call in calls):
            return
        if await self._redis.exists(keys.DATA_KEYS):
            raise ConfigurationError(
                "this ledger is encrypted and PROVISION_ENCRYPTION_KEYS is not set",
                hint="nothing is written in clear beside what is sealed",
            )
        self._checked = time.monotonic()

    async def _sealed(self, call: Call[Any]) -> Call[Any]:
        batch = call.home or call.key[len("pv:{") : -1]
        if call.script in ("accept", "restore"):
            await self._forget_gone(batch)
        rows = [await self._sealed_row(row, batch, call.script) for row in call.rows]
        head = await self._sealed_row(call.head, batch, call.script) if call.head else None
        return replace(call, head=head, rows=rows)

    async def _forget_gone(self, batch: str) -> None:
        """
        Drops cached keys that another process has destroyed, or that Redis has lost: values encrypted with
        them could never be decrypted.
        """
        cached = [name for name in self._cached if name.partition("+")[0] in (batch, FINGERPRINTS)]
        if cached:
            for name, key in zip(cached, await self._redis.hmget(keys.DATA_KEYS, cached), strict=True):
                if key is None or key == SHREDDED:
                    self._cached.pop(name, None)

    async def _sealed_row(self, row: msgspec.Struct, batch: str, script: str) -> msgspec.Struct:
        fields = layout(type(row))
        changes: dict[str, str | bytes] = {}
        for name in fields.hashed:  # first: if this fails, no unused data key remains
            changes[name] = await self.fingerprint(getattr(row, name))
        for name in fields.sealed:
            if value := getattr(row, name):
                try:
                    changes[name] = await self.seal(batch, value, anew=script == "accept")
                except ShreddedError:
                    if script not in ("answered", "restore"):
                        raise
                    # The existence of the widget must still be recorded, although its answer is late.
                    changes[name] = b""
        return msgspec.structs.replace(row, **changes) if changes else row

    # -- values --------------------------------------------------------------------------------------

    async def seal(self, batch: str, value: bytes, *, anew: bool = False) -> bytes:
        """
        A value as the ledger stores it.

        Args:
            anew: whether a batch whose keys were all destroyed gets another one.
        Raises: ShreddedError where it does not.
        """
        if self._masters is None:
            return value
        for generation in itertools.count():
            name = _generation(batch, generation)
            try:
                key = await self._data_key(name, make=anew or generation == 0)
                break
            except ShreddedError:
                if not anew and not await self._redis.hexists(
                    keys.DATA_KEYS, _generation(batch, generation + 1)
                ):
                    raise
        return PREFIX + name.encode() + b":" + Fernet(key).encrypt(value)

    async def seal_for(self, purpose: str, value: bytes) -> bytes:
        """
        A value that belongs to no batch, as the ledger keeps it.

        Args:
            purpose: `webhooks`, `refused`; it has a data key of its own.
        Raises: KeylessError if the ledger is encrypted and there are no master keys here.
        """
        if self._masters is None and await self._redis.exists(keys.DATA_KEYS):
            raise KeylessError("the ledger is encrypted and PROVISION_ENCRYPTION_KEYS is not set")
        return await self.seal(purpose, value)

    async def open(self, value: bytes) -> bytes:
        """
        The decrypted value, or a plain value as it is.

        Raises: KeylessError if its keys are not here; SealedError if they no longer exist, or it is damaged.
        """
        if not value.startswith(PREFIX):
            return value
        batch, _, token = value.removeprefix(PREFIX).partition(b":")
        if self._masters is None:
            raise KeylessError("the ledger is encrypted and PROVISION_ENCRYPTION_KEYS is not set")
        try:
            return Fernet(await self._data_key(batch.decode(), make=False)).decrypt(token)
        except InvalidToken:
            raise SealedError(
                Text("something of {batch} was sealed with another key", batch=batch.decode()),
                hint="it, or its key, is damaged: restore Redis from a backup",
            ) from None

    async def open_lines(self, values: bytes) -> list[bytes]:
        """Several widgets, a line each, but for those that were destroyed."""
        opened = [await self.open_widget(line) for line in values.splitlines()]
        return [value for value in opened if value]

    async def open_widget(self, value: bytes) -> bytes:
        """
        As `open`; empty if its key was destroyed.

        The value counts as deleted then: the sweep that deletes it was killed, or ran before it was written.
        """
        try:
            return await self.open(value)
        except ShreddedError:
            return b""

    async def fingerprint(self, plain: str) -> str:
        """A keyed fingerprint: without the key the body cannot be found, not even by trying bodies."""
        if self._masters is None:
            return plain
        key = await self._data_key(FINGERPRINTS, make=True)
        return hmac.new(key, plain.encode(), hashlib.sha256).hexdigest()[:FINGERPRINT]

    # -- keys ----------------------------------------------------------------------------------------

    async def rotate(self) -> int:
        """Wraps every data key with the newest master key. Returns: how many; no job is touched."""
        if self._masters is None:
            raise ConfigurationError("there is nothing to rotate: PROVISION_ENCRYPTION_KEYS is not set")
        rotated = 0
        for field, wrapped in (await self._redis.hgetall(keys.DATA_KEYS)).items():
            if wrapped != SHREDDED:
                new = self._masters.rotate(wrapped)
                rotated += await self._redis.eval(_SWAP, 1, keys.DATA_KEYS, field, wrapped, new)
        return rotated

    async def census(self) -> Census:
        """Tries the master keys on the data keys, a limited number of them."""
        found: dict[bytes, bytes] = {}
        cursor = 0
        while len(found) < CENSUS:
            cursor, some = await self._redis.hscan(keys.DATA_KEYS, cursor, count=CENSUS)
            found |= some
            if not cursor:
                break
        if self._masters is None or not found:
            return Census(masters=self._masters is not None, keys=bool(found))
        # The one that everything new needs, wherever the scan has ended.
        if (shared := await self._redis.hget(keys.DATA_KEYS, FINGERPRINTS)) is not None:
            found[FINGERPRINTS.encode()] = shared
        opens = {name: self._opens(name, key) for name, key in found.items() if key != SHREDDED}
        return Census(
            masters=True,
            keys=True,
            opened=sum(opens.values()),
            closed=len(opens) - sum(opens.values()),
            fingerprints=opens.get(FINGERPRINTS.encode(), True),
        )

    def _opens(self, batch: bytes, wrapped: bytes) -> bool:
        try:
            self._unwrapped(batch.decode(), wrapped)
        except SealedError:
            return False
        return True

    async def shred(self, batch: str) -> bool:
        """
        Destroys a batch's data keys. Returns: whether there was one.

        If there was none nothing is stored: a ledger with any data key counts as encrypted.
        """
        destroyed = False
        for generation in itertools.count():
            name = _generation(batch, generation)
            self._cached.pop(name, None)
            had: bytes | None = await self._redis.hget(keys.DATA_KEYS, name)
            if had is None:
                return destroyed
            if had != SHREDDED:
                await self._redis.hset(keys.DATA_KEYS, name, SHREDDED)
                destroyed = True
        raise AssertionError("itertools.count does not end")

    async def _data_key(self, batch: str, *, make: bool) -> bytes:
        at, key = self._cached.get(batch, (0.0, b""))
        if time.monotonic() - at < CACHED_SECONDS and key:
            return key
        wrapped = await self._wrapped(batch, make=make)
        try:
            key = self._unwrapped(batch, wrapped)
        except KeylessError:
            # Wrapped anew since, the key itself has not changed: what comes of POSTs already made must be
            # recorded. New jobs want fingerprints, and are refused: a retired master would wrap their key.
            if not key or batch == FINGERPRINTS:
                raise
        if len(self._cached) > 1000:
            self._cached.clear()
        self._cached[batch] = (time.monotonic(), key)
        return key

    async def _wrapped(self, batch: str, *, make: bool) -> bytes:
        found: bytes | None = await self._redis.hget(keys.DATA_KEYS, batch)
        if found is None and make and self._masters is not None:
            fresh = self._masters.encrypt(Fernet.generate_key())
            await self._redis.hsetnx(keys.DATA_KEYS, batch, fresh)
            found = await self._redis.hget(keys.DATA_KEYS, batch)
        if found is None:
            raise SealedError(
                Text("the key of {batch} is lost: what it sealed cannot be read any more", batch=batch),
                hint=Text(
                    "restore its field of the hash {data_keys} from a backup of Redis",
                    data_keys=keys.DATA_KEYS,
                ),
            )
        if found == SHREDDED:
            raise ShreddedError(
                Text("the key of {batch} was destroyed: what it sealed cannot be read any more", batch=batch)
            )
        return found

    def _unwrapped(self, batch: str, wrapped: bytes) -> bytes:
        if self._masters is None:
            raise KeylessError("PROVISION_ENCRYPTION_KEYS is not set")
        try:
            return self._masters.decrypt(wrapped)
        except InvalidToken:
            raise KeylessError(
                Text("none of PROVISION_ENCRYPTION_KEYS opens the key of {batch}", batch=batch)
            ) from None


def _generation(batch: str, number: int) -> str:
    """Name of one of a batch's data keys: a destroyed one is never replaced, the next one gets a number."""
    return f"{batch}+{number}" if number else batch


_SWAP = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""
"""Wraps a key again, unless it was destroyed meanwhile."""


def _is_sealed(call: Call[Any]) -> bool:
    return any(layout(type(row)).sealed for row in (call.head, *call.rows[:1]) if row)
