"""
Files under way in the console: their content, what their person has chosen, what checking has found.

All servers share them. Content and choices are compressed and, where the ledger is encrypted, encrypted; they
are gone two hours after their last change. What is sent is in the ledger as jobs; a draft only leads there.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import secrets
import time
import zlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError, WatchError

from provisioning.errors import InvalidInputError, NotFoundError
from provisioning.ledger import keys, leases
from provisioning.ledger.client import unavailable
from provisioning.ledger.encryption import Encryption
from provisioning.text import Text

KEPT: Final = 2 * 3600
"""Seconds for which a draft is kept after its last change."""

SENDING_KEPT: Final = 7 * 86_400
"""Seconds for which one is kept that is being sent: so long all servers may be down."""

MOST_BYTES: Final = 512 << 20
"""Bytes of a file: a million rows have some 320 MB."""

MOST_STORED: Final = 128 << 20
"""Bytes that a file may take in Redis, compressed."""

MOST_OF_ONE: Final = 5
"""Drafts of one person; a further one takes the place of the oldest."""

MAPPINGS_KEPT: Final = 200
"""Sets of headers whose meaning is remembered for an owner."""

PART: Final = 1 << 20
"""Bytes of a part, before it is compressed."""

LEASE: Final = 5.0
"""Seconds for which one server reserves a draft."""

PURPOSE: Final = "drafts"
"""Names the data key of drafts."""

ID: Final = re.compile("[a-z0-9]{16}")

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"


class DraftState(StrEnum):
    """How far a draft is."""

    OPEN = "open"  # its person looks at it
    SENDING = "sending"  # its rows are being submitted
    SENT = "sent"  # they are in the ledger


class Draft(msgspec.Struct, frozen=True):
    """
    A file under way.

    Attributes:
        who: id of the token or user whose it is; nobody else sees it.
        owner: whose jobs its rows will be.
        name: of the file, as its person calls it.
        size: bytes.
        version: of the choices; what checking has found belongs to one version.
        batch: id of the batch that it became; empty before.
        problem: why it could not be sent, as it was written; empty if nothing was wrong.
    """

    id: str
    who: str
    owner: str
    actor: str
    name: str
    size: int
    made_at: float
    state: DraftState = DraftState.OPEN
    version: int = 0
    batch: str = ""
    problem: bytes = b""


class _Made(msgspec.Struct, frozen=True):
    who: str
    owner: str
    actor: str
    name: str
    size: int
    made_at: float


_decode = msgspec.json.Decoder(_Made).decode
_encode = msgspec.json.encode


class Drafts:
    """The drafts of one ledger."""

    def __init__(self, redis: Redis, encryption: Encryption, clock: Callable[[], float] = time.time) -> None:
        self._redis: Any = redis
        self._encryption = encryption
        self._clock = clock

    async def make(self, who: str, owner: str, actor: str, name: str, read: Callable[[int], bytes]) -> Draft:
        """
        Stores a file.

        Args:
            read: the next bytes of it, as of a binary file; called in a thread.
        Raises: InvalidInputError if it is empty or too large.
        """
        id_ = "".join(secrets.choice(_ALPHABET) for _ in range(16))
        try:
            size = await self._store(id_, read)
        except BaseException:
            await self._redis.unlink(keys.draft_parts(id_))
            raise
        now = self._clock()
        made = _Made(who, owner, actor, name, size, now)
        sealed = await self._encryption.seal_for(PURPOSE, _encode(made))
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hset(keys.draft(id_), mapping={"made": sealed, "state": str(DraftState.OPEN), "version": 0})
        pipeline.expire(keys.draft(id_), KEPT)
        pipeline.zadd(keys.drafts_of(who), {id_: int(now * 1000)})
        pipeline.expire(keys.drafts_of(who), KEPT)
        await pipeline.execute()
        for old in (await self.of(who))[MOST_OF_ONE:]:
            await self.delete(old)
        return await self.find(id_, who)

    async def _store(self, id_: str, read: Callable[[int], bytes]) -> int:
        """Stores the content. Returns: bytes of it. Raises: InvalidInputError."""
        size, stored = 0, 0
        while chunk := await asyncio.to_thread(read, PART):
            packed = await asyncio.to_thread(zlib.compress, chunk, 1)
            part = await self._encryption.seal_for(PURPOSE, packed)
            size, stored = size + len(chunk), stored + len(part)
            if size > MOST_BYTES or stored > MOST_STORED:
                raise InvalidInputError(
                    Text("the file is too large: {most_bytes} MB are accepted", most_bytes=MOST_BYTES >> 20),
                    hint="split it, or use provision apply on the command line",
                )
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.rpush(keys.draft_parts(id_), part)
            pipeline.expire(keys.draft_parts(id_), KEPT)
            await pipeline.execute()
        if not size:
            raise InvalidInputError("the file is empty", hint="choose another one")
        return size

    async def find(self, id_: str, who: str | None) -> Draft:
        """
        A draft.

        Args:
            who: whose it must be; None for the server that carries it out.
        Raises: NotFoundError if it is gone, or somebody else's.
        """
        raw = await self._redis.hgetall(keys.draft(id_)) if ID.fullmatch(id_) else {}
        if b"made" in raw:
            made = _decode(await self._encryption.open(raw[b"made"]))
            if who in (None, made.who):
                return Draft(
                    id=id_,
                    **msgspec.structs.asdict(made),
                    state=DraftState(raw[b"state"].decode()),
                    version=int(raw[b"version"]),
                    batch=raw.get(b"batch", b"").decode(),
                    problem=await self._encryption.open(raw.get(b"problem", b"")),
                )
        raise NotFoundError("there is no such file under way: it is gone two hours after its last change")

    async def of(self, who: str) -> list[Draft]:
        """A person's drafts, the newest first."""
        found = []
        for id_ in await self._redis.zrevrange(keys.drafts_of(who), 0, -1):
            try:
                found.append(await self.find(id_.decode(), who))
            except NotFoundError:
                await self._redis.zrem(keys.drafts_of(who), id_)
        return found

    async def content(self, id_: str) -> AsyncIterator[bytes]:
        """The content of a draft, in parts."""
        number = 0
        while (part := await self._redis.lindex(keys.draft_parts(id_), number)) is not None:
            yield await asyncio.to_thread(zlib.decompress, await self._encryption.open(part))
            number += 1

    async def choices(self, id_: str) -> bytes:
        """What its person has chosen, as it was written; empty if nothing was."""
        return await self._open(id_, "choices")

    async def choose(self, draft: Draft, choices: bytes) -> Draft | None:
        """
        Writes other choices. Returns: the draft with its new version; None if they were changed since `draft`
        was read, or it is being sent.
        """
        sealed = await self._encryption.seal_for(PURPOSE, choices)
        key = keys.draft(draft.id)
        async with self._watched(key) as pipeline:
            state, version = await pipeline.hmget(key, "state", "version")
            if state != DraftState.OPEN.encode() or int(version) != draft.version:
                return None
            pipeline.multi()
            pipeline.hset(key, mapping={"choices": sealed, "version": draft.version + 1})
            self._keep(pipeline, draft)
            if not await _done(pipeline):
                return None
        return msgspec.structs.replace(draft, version=draft.version + 1)

    @contextlib.asynccontextmanager
    async def _watched(self, key: str) -> AsyncIterator[Any]:
        """A transaction that is executed only if this key stays as it is. Raises: LedgerUnavailableError."""
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                await pipeline.watch(key)
                yield pipeline
        except RedisError as error:
            raise unavailable(self._redis, error) from error

    async def findings(self, id_: str) -> bytes:
        """What checking has found so far, as it was written; empty if nothing was."""
        return await self._open(id_, "findings")

    async def note_findings(self, id_: str, findings: bytes) -> None:
        """Writes what checking has found so far."""
        await self._note(id_, "findings", await self._encryption.seal_for(PURPOSE, findings))

    async def _note(self, id_: str, field: str, value: bytes | str) -> None:
        """Writes a field of a draft, unless it is gone: written anew, it would stay for ever."""
        key = keys.draft(id_)
        async with self._watched(key) as pipeline:
            left = await pipeline.pttl(key)
            if left > 0:
                pipeline.multi()
                pipeline.hset(key, field, value)
                await _done(pipeline)

    async def _open(self, id_: str, field: str) -> bytes:
        sealed = await self._redis.hget(keys.draft(id_), field)
        return await self._encryption.open(sealed) if sealed else b""

    async def confirm(self, draft: Draft, order: bytes) -> bool:
        """
        Has the rows of a draft sent; a server does so. Returns: False if its choices were changed meanwhile.

        Args:
            order: what was confirmed, for that server.
        """
        sealed = await self._encryption.seal_for(PURPOSE, order)
        key = keys.draft(draft.id)
        async with self._watched(key) as pipeline:
            state, version = await pipeline.hmget(key, "state", "version")
            if state in (DraftState.SENDING.encode(), DraftState.SENT.encode()):
                return True  # the form was sent twice
            if state != DraftState.OPEN.encode() or int(version) != draft.version:
                return False
            pipeline.multi()
            pipeline.hset(key, mapping={"order": sealed, "state": str(DraftState.SENDING)})
            pipeline.hdel(key, "problem")
            pipeline.sadd(keys.DRAFTS_OPEN, draft.id)
            pipeline.zadd(keys.drafts_of(draft.who), {draft.id: int(self._clock() * 1000)})
            for each in (key, keys.draft_parts(draft.id), keys.drafts_of(draft.who)):
                pipeline.expire(each, SENDING_KEPT)
            return await _done(pipeline)

    async def sending(self) -> list[str]:
        """Ids of the drafts that are being sent."""
        return sorted(id_.decode() for id_ in await self._redis.smembers(keys.DRAFTS_OPEN))

    async def order(self, id_: str) -> bytes:
        """What was confirmed."""
        return await self._open(id_, "order")

    async def note_batch(self, id_: str, batch: str) -> None:
        """Notes the batch that a draft becomes, so that its page leads there."""
        await self._note(id_, "batch", batch)

    async def end(self, draft: Draft, *, problem: bytes = b"") -> None:
        """
        Ends the sending of a draft, unless that was ended before: all is in the ledger.

        Args:
            problem: why it cannot be sent, for its person; the draft is open again then.
        """
        sealed = await self._encryption.seal_for(PURPOSE, problem) if problem else b""
        key = keys.draft(draft.id)
        async with self._watched(key) as pipeline:
            if await pipeline.hget(key, "state") != DraftState.SENDING.encode():
                return
            pipeline.multi()
            state = DraftState.OPEN if problem else DraftState.SENT
            pipeline.hset(key, mapping={"state": str(state), "problem": sealed})
            pipeline.srem(keys.DRAFTS_OPEN, draft.id)
            self._keep(pipeline, draft)
            if not problem:
                pipeline.unlink(keys.draft_parts(draft.id))
            await _done(pipeline)

    async def forget(self, id_: str) -> None:
        """Takes a draft that is gone out of those that are being sent."""
        await self._redis.srem(keys.DRAFTS_OPEN, id_)

    async def delete(self, draft: Draft) -> bool:
        """Deletes a draft. Returns: False if it is being sent, and stays."""
        key = keys.draft(draft.id)
        async with self._watched(key) as pipeline:
            if await pipeline.hget(key, "state") == DraftState.SENDING.encode():
                return False
            pipeline.multi()
            pipeline.unlink(key, keys.draft_parts(draft.id))
            pipeline.zrem(keys.drafts_of(draft.who), draft.id)
            return await _done(pipeline)

    def _keep(self, pipeline: Any, draft: Draft) -> None:
        for key in (keys.draft(draft.id), keys.draft_parts(draft.id), keys.drafts_of(draft.who)):
            pipeline.expire(key, KEPT)
        pipeline.zadd(keys.drafts_of(draft.who), {draft.id: int(self._clock() * 1000)})

    async def take(self, id_: str, server: str) -> bool:
        """Reserves a draft for `LEASE` seconds, anew if this server has it. Returns: whether it has it."""
        return await leases.take(self._redis, keys.draft_lease(id_), server, LEASE)

    async def leave(self, id_: str) -> None:
        """Ends the reservation."""
        await self._redis.unlink(keys.draft_lease(id_))

    # -- what headers mean --------------------------------------------------------------------------

    async def recall(self, owner: str, headers: Sequence[str]) -> dict[str, str]:
        """What an owner has said that these headers mean; empty if nothing."""
        value = await self._redis.hget(keys.mappings(owner), _name_of(headers))
        return msgspec.json.decode(value, type=dict[str, str]) if value else {}

    async def remember(self, owner: str, headers: Sequence[str], maps: Mapping[str, str]) -> None:
        """Remembers what these headers mean."""
        key = keys.mappings(owner)
        if await self._redis.hlen(key) >= MAPPINGS_KEPT:
            await self._redis.unlink(key)
        await self._redis.hset(key, _name_of(headers), _encode(dict(maps)))


async def _done(pipeline: Any) -> bool:
    """Whether a transaction was executed: not if somebody has changed what it watches."""
    try:
        await pipeline.execute()
    except WatchError:
        return False
    return True


def _name_of(headers: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(sorted(headers)).encode("utf-8", "surrogateescape")).hexdigest()
