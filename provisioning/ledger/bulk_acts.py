"""
Bulk acts: redriving, cancelling or resolving many jobs, in steps that any server can continue.

A person asks for the act once; it is recorded with all that it needs. A server makes one step after the
other. Each step is one script, which changes some hundred jobs, counts them and moves the cursor of the act
at once: a step of a server that dies is made whole or not at all, and two servers cannot both make it
(decision 0041).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from provisioning import scopes
from provisioning.errors import InvalidInputError, NotFoundError
from provisioning.ledger import keys, leases, transitions
from provisioning.ledger.encryption import Encryption
from provisioning.ledger.numbers import last_number
from provisioning.ledger.operations import Operations, act_of, facts_of
from provisioning.ledger.records import Fact, Selection
from provisioning.ledger.schema import BULK_END, BeginBulk, BulkState, EndBulk, Resolution
from provisioning.ledger.scripts import Call
from provisioning.ledger.transitions import Step
from provisioning.text import Text

STRETCH: Final = 500
"""Jobs of one step: a few ms of Redis' time, so that other clients do not wait long."""

LISTED: Final = 1000
"""Most acts that are listed; older ones are kept, and found by their id, until they expire."""

KEPT: Final = 90 * 86_400.0
"""Seconds for which an act is kept after its end. The audit keeps its result for longer."""

DRAFT_KEPT: Final = 2 * 3600
"""Seconds for which a draft waits for the person's yes."""

LEASE: Final = 5.0
"""Seconds for which one server reserves an act: after that, another one continues for a dead one."""

ID: Final = re.compile("[a-z0-9]{16}")

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"


class Verb(StrEnum):
    """What a bulk act does to each of its jobs."""

    REDRIVE = "redrive"  # queue dead or cancelled jobs again
    CANCEL = "cancel"  # end jobs that were not sent
    RESOLVE = "resolve"  # settle jobs in doubt
    RECONCILE = "reconcile"  # likewise, each as a table tells


class Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What a person has asked for.

    Attributes:
        owner: of the batch.
        actor: the person or service.
        wanted: which jobs. `until` is the time of the preview: what was confirmed can shrink, never grow.
        expected: how many jobs the preview has counted.
        justification: the reason; of a redrive, why second widgets are accepted: empty if they are not.
        created: of `resolve`: whether their widgets exist.
        source: of `reconcile`: the name of the table.
        last: of `cancel`: the highest number of a job; those submitted later are not cancelled.
        asked_at: Unix seconds.
    """

    id: str
    verb: Verb
    batch: str
    owner: str
    actor: str
    wanted: Selection
    expected: int
    asked_at: float
    justification: str = ""
    created: bool = False
    source: str = ""
    last: int = 0


class BulkAct(msgspec.Struct, frozen=True):
    """
    A bulk act as it is now.

    Attributes:
        cursor: where the next step begins; `BULK_END` if there is none.
        seen: jobs that its steps have looked at.
        changed: jobs that it has queued again, cancelled or resolved.
        risky: of a redrive: those of them that may get a second widget.
        left: of a redrive: jobs that were skipped because they may.
        queued: of `resolve` and `reconcile`: jobs without a widget, which are sent again.
        ended_at: Unix seconds; None while it runs.
    """

    asked: Asked
    state: BulkState
    cursor: str
    seen: int = 0
    changed: int = 0
    risky: int = 0
    left: int = 0
    queued: int = 0
    ended_at: float | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in (BulkState.DONE, BulkState.CANCELLED)

    def public(self) -> dict[str, Any]:
        """The act as the HTTP API shows it."""
        asked = self.asked
        wanted = asked.wanted
        return {
            "id": asked.id,
            "act": asked.verb,
            "batch": asked.batch,
            "owner": asked.owner,
            "by": asked.actor,
            "because": asked.justification,
            "selection": {
                "state": wanted.state,
                "reason": wanted.reason,
                "credential": wanted.credential,
                "key": wanted.key,
                "since": wanted.since,
                "until": wanted.until,
            },
            "state": self.state,
            "expected": asked.expected,
            "seen": self.seen,
            "changed": self.changed,
            "risky": self.risky,
            "left": self.left,
            "queued": self.queued,
            "asked_at": asked.asked_at,
            "ended_at": self.ended_at,
        }


_decode = msgspec.json.Decoder(Asked).decode
_encode = msgspec.json.encode
_decode_found = msgspec.json.Decoder(list[Resolution]).decode


def _check_id(id_: str) -> None:
    if not ID.fullmatch(id_):
        raise InvalidInputError("this is not the id of a bulk act", hint="load the page again")


def new_id() -> str:
    """The id of an act to be: a form carries it, so that a form sent twice is one act."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(16))


class BulkActs:
    """The bulk acts of one ledger."""

    def __init__(
        self,
        redis: Redis,
        do: Callable[[Call[Any]], Awaitable[Any]],
        encryption: Encryption,
        operations: Operations,
    ) -> None:
        self._redis: Any = redis
        self._do = do
        self._encryption = encryption
        self._operations = operations

    async def ask(self, asked: Asked) -> BulkAct:
        """
        Records an act. Returns: it, or the act that was asked for with the same id before.

        Raises: InvalidInputError if the id is not one of `new_id`, or belongs to an act of somebody else.
        """
        _check_id(asked.id)
        if asked.verb is Verb.CANCEL:
            last = await last_number(self._redis, asked.batch)
            asked = msgspec.structs.replace(asked, last=last, expected=last)
        if await self._redis.hexists(keys.bulk(asked.id), "asked"):
            return await self._same(asked)
        pipeline = self._redis.pipeline(transaction=True)
        self._write(pipeline, asked, BulkState.RUNNING)
        pipeline.sadd(keys.BULK_OPEN, asked.id)
        pipeline.zadd(keys.BULK_ACTS, {asked.id: int(asked.asked_at * 1000)}, nx=True)
        pipeline.zremrangebyrank(keys.BULK_ACTS, 0, -LISTED - 1)
        await pipeline.execute()
        return await self._same(asked)

    async def _same(self, asked: Asked) -> BulkAct:
        """The act of this id. Raises: InvalidInputError if it is another one than is asked for."""
        act = await self.find(asked.id)
        if _meant(act.asked) != _meant(asked):
            raise InvalidInputError("this id belongs to another bulk act", hint="load the page again")
        return act

    async def draft(self, asked: Asked, found: Sequence[Resolution], preview: bytes) -> None:
        """
        Records a `reconcile` that waits for the person's yes; it expires after `DRAFT_KEPT`.

        Args:
            found: what the table tells of each job.
            preview: what the person is shown, in a form of the caller.
        Raises: ShreddedError if the data key of the batch was destroyed.
        """
        _check_id(asked.id)
        if await self._redis.exists(keys.bulk(asked.id)):
            raise InvalidInputError("this id belongs to another bulk act", hint="load the page again")
        seal = self._encryption.seal
        parts = [found[first : first + STRETCH] for first in range(0, len(found), STRETCH)]
        sealed = [await seal(asked.batch, _encode(part)) for part in parts]
        pipeline = self._redis.pipeline(transaction=True)
        self._write(pipeline, asked, BulkState.DRAFT)
        pipeline.hset(keys.bulk(asked.id), "preview", await seal(asked.batch, preview))
        pipeline.expire(keys.bulk(asked.id), DRAFT_KEPT)
        if sealed:
            pipeline.delete(keys.bulk_found(asked.id))
            pipeline.rpush(keys.bulk_found(asked.id), *sealed)
            pipeline.expire(keys.bulk_found(asked.id), DRAFT_KEPT)
        await pipeline.execute()

    async def preview(self, id_: str) -> bytes:
        """The preview of a draft; empty if the act has none."""
        sealed = await self._redis.hget(keys.bulk(id_), "preview")
        return await self._encryption.open(sealed) if sealed else b""

    async def begin(self, id_: str) -> bool:
        """Begins a draft: the person has confirmed it. Returns: False if it was begun before."""
        return bool(await self._do(Call("begin_bulk", keys.bulk(id_), int, BeginBulk(id_))))

    def _write(self, pipeline: Any, asked: Asked, state: BulkState) -> None:
        for field, value in (("asked", _encode(asked)), ("state", str(state)), ("cursor", "")):
            pipeline.hsetnx(keys.bulk(asked.id), field, value)

    async def find(self, id_: str, sees: str | None = None) -> BulkAct:
        """
        An act as it is now.

        Args:
            sees: the only owner whose acts are shown; None for all.
        Raises: NotFoundError.
        """
        raw = await self._redis.hgetall(keys.bulk(id_)) if ID.fullmatch(id_) else {}
        act = _act_of(raw) if raw else None
        if act is None or sees not in (None, act.asked.owner):
            raise NotFoundError(Text("there is no bulk act {id!r}", id=id_))
        return act

    async def latest(self, sees: str | None = None, *, batch: str = "", most: int = 50) -> list[BulkAct]:
        """
        The latest acts, the newest first.

        Args:
            sees: as for `find`.
            batch: of this batch alone.
            most: so many of them.
        """
        found: list[BulkAct] = []
        ids = await self._redis.zrevrange(keys.BULK_ACTS, 0, LISTED - 1)
        for first in range(0, len(ids), STRETCH):
            pipeline = self._redis.pipeline(transaction=False)
            for id_ in ids[first : first + STRETCH]:
                pipeline.hgetall(keys.bulk(id_.decode()))
            for raw in await pipeline.execute():
                act = _act_of(raw) if raw else None
                if act and sees in (None, act.asked.owner) and batch in ("", act.asked.batch):
                    found.append(act)
            if len(found) >= most:
                break
        return found[:most]

    async def open_of(self, batch: str) -> list[BulkAct]:
        """The acts on a batch that have not ended."""
        acts = []
        for id_ in await self.open():
            try:
                acts.append(await self.find(id_))
            except NotFoundError:
                continue  # it is forgotten by the server that looks for it
        return [act for act in acts if act.asked.batch == batch]

    async def open(self) -> list[str]:
        """Ids of the acts that have not ended."""
        return sorted(id_.decode() for id_ in await self._redis.smembers(keys.BULK_OPEN))

    async def stop(self, id_: str) -> bool:
        """Cancels an act: no further step is made. Returns: False if it had ended, or was cancelled."""
        return bool(await self._do(Call("stop_bulk", keys.bulk(id_), int)))

    # -- for the server that carries an act out ---------------------------------------------------------

    async def take(self, id_: str, server: str) -> bool:
        """Reserves an act for `LEASE` seconds, anew if this server has it. Returns: whether it has it."""
        return await leases.take(self._redis, keys.bulk_lease(id_), server, LEASE)

    async def leave(self, id_: str) -> None:
        """Ends the reservation, so that another server need not wait for its end."""
        await self._redis.delete(keys.bulk_lease(id_))

    async def step(self, act: BulkAct) -> None:
        """Makes the next step of an act; nothing if it was made already, or the act is not running."""
        asked = act.asked
        if asked.verb is Verb.CANCEL:
            await self._cancel(act)
        elif asked.verb is Verb.RECONCILE:
            await self._reconcile(act)
        else:
            after, found = await self._do(
                transitions.matching(asked.batch, asked.wanted, act.cursor, STRETCH)
            )
            numbers = [match.number for match in found]
            step = Step(asked.id, act.cursor, after or BULK_END, asked.wanted.until)
            if asked.verb is Verb.REDRIVE:
                why = asked.justification
                call: Call[Any] = transitions.redrive(
                    asked.batch, numbers, asked.actor, justification=why, step=step
                )
            else:
                rows = [transitions.resolution(number, created=asked.created) for number in numbers]
                call = transitions.resolve_all(asked.batch, rows, asked.actor, step=step)
            await self._do(call)

    async def _cancel(self, act: BulkAct) -> None:
        batch, actor, end = act.asked.batch, act.asked.actor, act.asked.last
        first = int(act.cursor or 0) + 1
        last = min(first + STRETCH - 1, end)
        hold = self._operations.cancelling(batch, actor)
        step = Step(act.asked.id, act.cursor, str(last) if last < end else BULK_END, hold=hold)
        credential = act.asked.wanted.credential or None
        await self._do(transitions.cancel(batch, first, last, actor, credential, step=step))

    async def _reconcile(self, act: BulkAct) -> None:
        part, found = int(act.cursor or 0), keys.bulk_found(act.asked.id)
        sealed = await self._redis.lindex(found, part)
        rows = _decode_found(await self._encryption.open(sealed)) if sealed else []
        end = part + 1 >= await self._redis.llen(found)
        step = Step(act.asked.id, act.cursor, BULK_END if end else str(part + 1), act.asked.wanted.until)
        await self._do(transitions.resolve_all(act.asked.batch, rows, act.asked.actor, step=step))

    async def forget(self, id_: str) -> None:
        """Takes an act out of the open ones: it has ended, or Redis has lost it."""
        await self._redis.srem(keys.BULK_OPEN, id_)

    async def end(self, act: BulkAct) -> bool:
        """
        Ends an act that has no step left, or is cancelled, and writes it into the audit.

        Args:
            act: as it was read after its last step.
        Returns: False if another server has ended it.
        """
        asked = act.asked
        on = scopes.of_batch(asked.batch)
        line = act_of(
            str(asked.verb),
            actor=asked.actor,
            on=on,
            justification=asked.justification,
            facts={**_facts(act), "bulk_act": asked.id},
        )
        held = on if asked.verb is Verb.CANCEL else ""
        head = EndBulk(asked.id, asked.batch, on, _encode(line), KEPT, held)
        ended = bool(await self._do(Call("end_bulk", keys.bulk(asked.id), int, head)))
        if not ended:
            await self.forget(asked.id)
        await self.leave(asked.id)
        return ended


def _meant(asked: Asked) -> tuple[object, ...]:
    """What makes two questions the same: asked again, its time and its counts may differ."""
    wanted = msgspec.structs.replace(asked.wanted, until=None)
    return (asked.batch, asked.actor, asked.verb, wanted, asked.justification, asked.created, asked.source)


def _facts(act: BulkAct) -> dict[str, Fact]:
    asked = act.asked
    facts: dict[str, Fact] = {"state": asked.wanted.state} if asked.wanted.state else {}
    if asked.verb is Verb.REDRIVE:
        facts |= {"queued": act.changed, "risky": act.risky, "left": act.left}
    elif asked.verb is Verb.CANCEL:
        facts |= {"jobs": act.changed}
    else:
        facts |= {"created": act.changed - act.queued, "queued": act.queued}
    if asked.source:
        facts["file"] = asked.source
    if act.cursor != BULK_END:
        facts["cancelled_after"] = act.seen
    return {**facts, **facts_of(asked.wanted)}


def _act_of(raw: dict[bytes, bytes]) -> BulkAct | None:
    """An act from its hash; None if the hash has lost what was asked for."""
    if b"asked" not in raw:
        return None
    fields = {
        name.decode(): value.decode() for name, value in raw.items() if name not in (b"asked", b"preview")
    }
    ended_at = fields.get("ended_at")
    return BulkAct(
        asked=_decode(raw[b"asked"]),
        state=BulkState(fields.get("state", BulkState.RUNNING)),
        cursor=fields.get("cursor", ""),
        ended_at=int(ended_at) / 1000 if ended_at else None,
        **{name: int(fields.get(name, 0)) for name in ("seen", "changed", "risky", "left", "queued")},
    )
